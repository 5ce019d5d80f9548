from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest

from dewey_logs import BadFilter, LogRecordView
from godot.cli._filters import _data, with_zone
from godot.cli._lines import TextLines
from godot.cli._look import PLAIN, Look
from godot.cli._records import columns_of, row_of
from godot.cli._times import moment
from godot.cli.trace import _about
from tests.unit.dewey_logs.tools.views import a_trace


def record(**changed: object) -> LogRecordView:
    local = datetime(2026, 11, 22, 14, 5, 31, 114_000).astimezone()
    given = {
        "id": "01a204ee-a501-8000-8000-0045cab67969",
        "created_at": local.isoformat(),
        "component": "shop",
        "level": "WARN",
        "message": "retrying",
    }
    return LogRecordView(**(given | changed))  # type: ignore[arg-type]  # a mapping of mixed values


def plain(records: list[LogRecordView], look: Look = PLAIN) -> list[str]:
    lines = TextLines(look)
    return [click.unstyle(line) for item in records for line in lines.of(item)]


def test_a_record_is_one_line_under_its_date():
    date, line = plain([record(data={"order": 8812, "note": "a b", "ok": None}, trace_id="4bf9")])
    assert date.startswith("2026-11-22 ")
    assert line == (
        '14:05:31.114 WARN  shop     retrying  order=8812 note="a b" ok=null trace=4bf9'
    )


def test_the_date_comes_again_only_on_another_day():
    later = (datetime(2026, 11, 23, 0, 0, 1).astimezone()).isoformat()
    lines = plain([record(), record(), record(created_at=later)])
    assert [line[:10] for line in lines if line.startswith("2026")] == ["2026-11-22", "2026-11-23"]


def test_further_lines_of_a_message_cannot_pass_for_records():
    lines = plain([record(message="boom\n14:05:32.000 ERROR forged\n  at x")])
    assert lines[2:] == ["    │ 14:05:32.000 ERROR forged", "    │   at x"]


def test_what_steers_a_terminal_is_escaped_everywhere():
    hostile = "\x1b[2J\x9b\r\u202e\x07"
    lines = plain([record(component=hostile, message=hostile, data={hostile: hostile})])
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[2J" in lines[1]


def test_values_that_hold_blanks_are_quoted():
    (line,) = plain([record(data={"a": 'say "hi" x=1', "b": "", "c": {"d": [1, "e"]}})])[1:]
    assert line.endswith('a="say \\"hi\\" x=1" b="" c={"d":[1,"e"]}')


@pytest.mark.parametrize("text", ["15m", "-1h", "now", "2026-11-22T13:00:00Z", "soon", None])
def test_times_that_need_no_zone_are_left_alone(text: str | None):
    assert with_zone(text) == text


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59"])
def test_a_time_at_the_end_of_the_calendar_is_refused_in_every_zone(zone, text, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with pytest.raises(BadFilter, match="years are 1970 to 2200"):
            moment("since", text)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_without_a_zone_is_local():
    local = datetime(2026, 11, 22, 13, 0).astimezone()
    assert with_zone("2026-11-22 13:00") == local.isoformat()
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert with_zone("today") == midnight.astimezone().isoformat()
    five_past = midnight.replace(hour=14, minute=5)
    assert with_zone("14:05") == five_past.astimezone().isoformat()
    assert with_zone("14:05:30") == five_past.replace(second=30).astimezone().isoformat()
    assert with_zone("25:05") == "25:05"  # which the store refuses as it was typed
    assert with_zone("Yesterday") == (midnight - timedelta(days=1)).astimezone().isoformat()


def test_of_a_uuid_the_beginning_is_shown_which_is_enough_to_ask_for_it():
    uuid = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    assert plain([record(trace_id=uuid)])[1].endswith("  trace=4bf92f35")
    assert plain([record(trace_id="order-10")])[1].endswith("  trace=order-10")


def test_of_a_stack_trace_the_line_that_says_most_is_shown():
    python = "Traceback (most recent call last):\n  File x\n\nPaymentError: declined\n"
    node = "TypeError: no\n    at a.js:1"
    lines = plain([record(data={"exception": python, "stack": node, "n": 1})])
    assert lines[1].endswith("retrying  n=1")
    assert lines[2] == (
        "    ╰ exception: PaymentError: declined"
        "  (+2 lines, godot show 01a204ee-a501-8000-8000-0045cab67969)"
    )
    assert lines[3].startswith("    ╰ stack: TypeError: no  (+1 line")


def test_fields_are_shown_alone_and_hidden_ones_are_not():
    one = record(data={"order": 1, "http": {"method": "GET"}, "a.b": 2}, trace_id="t")
    assert plain([one], Look(fields=("http.method", "a.b", "none")))[1].endswith(
        "retrying  http.method=GET a.b=2"
    )
    assert plain([one], Look(hide=("http", "trace_id", "data.a.b")))[1].endswith(
        "retrying  order=1"
    )
    assert plain([record()], Look(ids=True))[1].endswith(
        "  id=01a204ee-a501-8000-8000-0045cab67969"
    )


def test_elsewhere_fields_are_the_columns():
    one = record(data={"order": 1, "http": {"method": "GET"}})
    look = Look(fields=("level", "data.http.method", "trace_id"))
    assert columns_of(look) == look.fields
    assert row_of(one, look) == {"level": "WARN", "data.http.method": "GET", "trace_id": None}
    look = Look(hide=("http", "message"))
    assert "message" not in columns_of(look)
    assert row_of(one, look)["data"] == {"order": 1}
    assert "message" not in row_of(one, look)


def test_what_is_to_stand_out_is_marked_and_stays_what_it_was():
    look = Look(highlight=re.compile("a+|x*"))
    marked = list(TextLines(look).of(record(message="banana", data={"k": "aa"})))[1]
    assert click.unstyle(marked).endswith("banana  k=aa")
    assert marked.count("\x1b[30m") == 4


def test_times_are_utc_for_those_who_ask():
    at = record(created_at="2026-11-22T23:59:59.900000Z")
    assert plain([at], Look(zone=UTC)) == [
        "2026-11-22 +00:00",
        "23:59:59.900 WARN  shop     retrying",
    ]


def test_a_time_at_the_end_of_the_calendar_is_shown_as_it_is():
    at = record(created_at="9999-12-31T23:59:59.900000Z")
    assert plain([at], Look(zone=timezone(timedelta(hours=14))))[0] == "9999-12-31 +00:00"


def test_what_a_record_lacks_leaves_a_gap_only_once_another_had_it():
    bare = LogRecordView("", "", "", "", "just text")
    lines = plain([bare, record(), bare])
    assert lines[0] == "just text"
    assert lines[3] == " " * len("14:05:31.114 WARN  shop     ") + "just text"


def test_data_that_the_screen_has_no_room_for_goes_on_below_the_message():
    one = record(data={"order": 8812, "code": 51, "note": "a b c d e f"}, trace_id="t")
    lines = [click.unstyle(line) for line in TextLines(PLAIN, 55).of(one)]
    assert lines[1:] == [
        "14:05:31.114 WARN  shop     retrying  order=8812",
        '                            code=51 note="a b c d e f"',
        "                            trace=t",
    ]


def test_what_data_holds_is_json_where_it_reads_as_such_and_else_text():
    given = ("a=1", "b=NaN", "c=1e999", 'd.e=["x"]', "f=-Infinity", "g=null", "h=x=y")
    assert _data(click.Context(click.Command("query")), click.Option(["--data"]), given) == {
        "a": 1,
        "b": "NaN",
        "c": "1e999",
        "d": {"e": ["x"]},
        "f": "-Infinity",
        "g": None,
        "h": "x=y",
    }


def test_a_trace_as_a_document_says_whether_its_first_error_was_looked_for():
    for scan_incomplete in (True, False):
        about = _about(a_trace(record(), scan_incomplete=scan_incomplete))
        assert (about["first_error"], about["scan_incomplete"]) == (None, scan_incomplete)
