from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from dewey_logs import BadFilter
from dewey_logs.tools.table import Shape, age_of, shape_of, table
from tests.unit.dewey_logs.tools.views import record, rows_of

NOW = datetime(2026, 11, 22, 13, 5, 2, tzinfo=UTC)


def test_what_all_rows_share_stands_once():
    payload = table([record(1_000), record(2_000)], Shape())
    assert payload["common"] == {"date": "2026-11-22", "level": "ERROR", "component": "api"}
    assert payload["columns"] == ["time", "message", "id"]
    assert rows_of(payload)[0]["time"] == "13:00:01.001Z"


def test_what_differs_stands_in_its_row():
    other = record(2, created_at="2026-11-21T00:00:00.000000Z", data={"k": 1, "l": 2})
    payload = table([record(1, level="WARN", trace_id="t-1"), other], Shape())
    assert payload["common"] == {"component": "api"}
    first, second = rows_of(payload)
    assert first["time"] == "2026-11-22T13:00:01.000Z"
    assert (first["level"], first["trace_id"], first["data_keys"]) == ("WARN", "t-1", None)
    assert (second["time"], second["data_keys"]) == ("2026-11-21T00:00:00.000Z", "k l")


def test_a_single_row_keeps_its_own_words():
    payload = table([record(1)], Shape())
    assert payload["common"] == {"date": "2026-11-22"}
    assert rows_of(payload)[0]["component"] == "api"


def test_nothing_is_a_table_without_columns():
    assert table([], Shape()) == {"columns": [], "rows": []}


def test_lines_that_repeat_are_one_row_that_says_how_many_and_until_when():
    again = [record(n * 1_000, message="again", trace_id=f"t-{n}") for n in range(1, 38)]
    payload = table([record(0), *again, record(99_000)], Shape())
    first, many, last = rows_of(payload)
    assert (first["n"], many["n"], last["n"]) == (None, 37, None)
    assert (many["time"], many["to"]) == ("13:00:01.001Z", "13:00:01.037Z")
    assert (many["id"], many["trace_id"]) == (again[0].id, "t-1")


def test_lines_that_repeat_are_not_told_as_if_they_were_of_one_trace():
    of_two = [record(n, message="m", trace_id=trace) for n, trace in enumerate("aabb")]
    of_one = [record(n, message="other", trace_id="c") for n in range(4, 6)]
    first, second = rows_of(table([*of_two, *of_one], Shape()))
    assert (first["n"], first["traces"], first["trace_id"]) == (4, 2, "a")
    assert (second["n"], second["traces"], second["trace_id"]) == (2, None, "c")
    assert "traces" not in table(of_one, Shape())["columns"]


@pytest.mark.parametrize("change", [{"component": "b"}, {"level": "WARN"}, {"message": "other"}])
def test_lines_that_differ_do_not_repeat(change):
    assert (
        len(
            table(
                [
                    record(1, message="m"),
                    record(2, message="m"),
                    record(3, **({"message": "m"} | change)),
                ],
                Shape(),
            )["rows"]
        )
        == 2
    )


def test_what_was_asked_for_of_data_keeps_lines_apart():
    records = [record(n, message="m", data={"order": n}) for n in (1, 2)]
    assert len(table(records, Shape())["rows"]) == 1
    rows = rows_of(table(records, shape_of(["data.order"])))
    assert [row["data.order"] for row in rows] == [1, 2]


def test_data_is_told_by_its_keys_until_it_is_asked_for():
    data = {"user": {"id": 7, "tags": ["a"]}, "http.status": 502, "long": "x" * 5_000}
    asked = record(1, data=data)
    (row,) = rows_of(table([asked], Shape()))
    assert row["data_keys"] == "user http.status long"
    assert "data" not in row
    fields = ["data.user.id", "data.http.status", "data.user", "data.none", "data.long"]
    (row,) = rows_of(table([asked], shape_of(fields)))
    assert (row["data.user.id"], row["data.http.status"]) == (7, 502)
    assert row["data.user"] == {"id": 7, "tags": ["a"]}
    assert "data.none" not in row
    assert row["data.long"].endswith("… [300 of 5000 characters]")
    assert "data_keys" not in row


def test_nothing_is_hidden_in_characters_that_look_like_none():
    hidden = "".join(chr(0xE0100 + byte) for byte in b"run rm")
    said = f"ok{hidden}\ufe0f\u3164\u2800 \u202e\U000e0041"
    asked = record(1, message=said, component=hidden, data={hidden: said})
    (row,) = rows_of(table([asked], shape_of(["data"])))
    assert all(row[name].isascii() for name in ("message", "component"))
    assert row["message"].count("\\U000e01") == len(hidden)
    assert json.dumps(row["data"], ensure_ascii=False).isascii()
    (row,) = rows_of(table([record(1, message=hidden * 9)], Shape(message_chars=25)))
    assert row["message"] == "\\U000e0172\\U000e0175… [2 of 54 characters]"
    (row,) = rows_of(table([record(1, message="Grüße 世界 🙂")], Shape()))
    assert row["message"] == "Grüße 世界 🙂"


def test_large_values_are_cut_with_their_size_named():
    big = {f"k{n}": "y" * 200 for n in range(50)}
    long = record(1, message="x" * 60_000, data=big)
    (row,) = rows_of(table([long], shape_of(["data"])))
    assert row["message"] == "x" * 300 + "… [300 of 60000 characters]"
    assert row["data"]["cut"].endswith("bytes")
    assert row["data"]["keys"].startswith("k0 k1")
    assert row["data"]["keys"].endswith("k19 …")
    assert len(json.dumps(table([long], shape_of(["data"])))) < 2_000
    (row,) = rows_of(table([long], shape_of(["data"], 60_000)))
    assert (row["message"], row["data"]) == (long.message, big)


class Unwalked(dict[str, object]):
    def items(self):
        raise AssertionError("walked through")


def test_a_large_value_is_not_walked_through_to_be_cut():
    big = Unwalked({f"k{n}": "y" * 200 for n in range(50)})
    (row,) = rows_of(table([record(1, data={"big": big})], shape_of(["data.big"])))
    assert row["data.big"]["cut"].endswith("bytes")
    with pytest.raises(AssertionError, match="walked"):  # a small one is, for what cannot be seen
        table([record(1, data={"small": Unwalked(k="v")})], shape_of(["data.small"]))


def test_what_cannot_be_seen_is_written_so_that_it_can():
    hostile = "a\x1b[2J\u202eb\u200b\x00\x9b\tc\nd\u00a0é"
    (row,) = rows_of(
        table(
            [record(1, message=hostile, component=hostile, data={hostile: hostile})],
            shape_of(["data"]),
        )
    )
    seen = "a\\x1b[2J\\u202eb\\u200b\\x00\\x9b\tc\nd\u00a0é"
    assert (row["message"], row["component"], row["data"]) == (seen, seen, {seen: seen})


def test_age_is_shown_when_it_is_asked_for():
    (row,) = rows_of(table([record(0)], Shape(("age",), now=NOW)))
    assert row["age"] == "5m1s"


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (timedelta(seconds=0.4), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(hours=3, minutes=12, seconds=9), "3h12m"),
        (timedelta(days=2, minutes=5), "2d0h"),
        (timedelta(seconds=-30), "0s"),
    ],
)
def test_an_age_has_two_units_at_most(back, said):
    assert age_of((NOW - back).isoformat(), NOW) == said


@pytest.mark.parametrize("name", ["message", "data.", "dta.x", ""])
def test_fields_that_do_not_exist_are_refused(name):
    with pytest.raises(BadFilter, match="allowed are age, data and"):
        shape_of([name])


def test_a_field_whose_name_would_fill_the_answer_is_refused():
    assert shape_of(["data." + "x" * 195]).fields
    with pytest.raises(BadFilter, match="longer than 200 characters"):
        shape_of(["data." + "x" * 196])
