from __future__ import annotations

import time
from datetime import datetime, timedelta

import click
import pytest

from dewey_logs import BadFilter, LogRecordView
from godot.cli._records import TextLines, with_zone
from godot.cli._times import moment


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


def plain(records: list[LogRecordView]) -> list[str]:
    lines = TextLines()
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
    assert with_zone("Yesterday") == (midnight - timedelta(days=1)).astimezone().isoformat()
