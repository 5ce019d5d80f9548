from __future__ import annotations

import json
from typing import Any

import anyio

from dewey_logs import LogFilter, LogRecordView, Page
from dewey_logs.tools import query


def record(number: int, **changed: Any) -> LogRecordView:
    given: dict[str, Any] = {
        "id": f"01a204ee-a501-8000-8000-{number:012d}",
        "created_at": f"2026-11-22T13:00:01.{number:06d}Z",
        "component": "api",
        "level": "ERROR",
        "message": f"m{number}",
    }
    return LogRecordView(**(given | changed))


def page(*rows: LogRecordView, **changed: Any) -> Page:
    given: dict[str, Any] = {
        "rows": rows,
        "returned": len(rows),
        "truncated": False,
        "next_cursor": None,
        "matched": len(rows),
        "matched_capped": False,
        "strategy": "walk",
        "took_ms": 1.26,
    }
    return Page(**(given | changed))


def rows_of(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(payload["columns"], row, strict=True)) for row in payload["rows"]]


def test_what_all_rows_share_stands_once():
    payload = query.payload_of(page(record(1_000), record(2_000)))
    assert payload["common"] == {"date": "2026-11-22", "level": "ERROR", "component": "api"}
    assert payload["columns"] == ["time", "message", "id"]
    assert rows_of(payload)[0]["time"] == "13:00:01.001Z"


def test_what_differs_stands_in_its_row():
    payload = query.payload_of(
        page(
            record(1, level="WARN", trace_id="t-1"),
            record(2, created_at="2026-11-21T00:00:00.000000Z", data={"k": 1}),
        )
    )
    assert payload["common"] == {"component": "api"}
    first, second = rows_of(payload)
    assert (first["time"], first["level"], first["trace_id"], first["data"]) == (
        "2026-11-22T13:00:01.000Z",
        "WARN",
        "t-1",
        None,
    )
    assert (second["time"], second["data"]) == ("2026-11-21T00:00:00.000Z", {"k": 1})


def test_a_single_row_keeps_its_own_words():
    payload = query.payload_of(page(record(1)))
    assert payload["common"] == {"date": "2026-11-22"}
    assert rows_of(payload)[0]["component"] == "api"


def test_an_empty_page_says_so():
    payload = query.payload_of(page())
    assert (payload["rows"], payload["returned"], payload["matched"]) == ([], 0, 0)
    assert (payload["truncated"], payload["next_cursor"]) == (False, None)


def test_a_count_that_stopped_is_marked():
    capped = page(record(1), matched=1_000, matched_capped=True, truncated=True, next_cursor="c")
    payload = query.payload_of(capped)
    assert (payload["matched"], payload["truncated"], payload["next_cursor"]) == (
        "1000+",
        True,
        "c",
    )


def test_long_values_are_cut_with_their_size_named():
    payload = query.payload_of(
        page(record(1, message="x" * 60_000, data={"big": "y" * 9_000, "n": 1}))
    )
    (row,) = rows_of(payload)
    assert row["message"].endswith("… [cut: 60000 characters]")
    assert row["data"] == {"cut": "9016 bytes", "keys": ["big", "n"]}
    assert len(json.dumps(payload)) < 3_000


def test_log_text_is_named_as_untrusted():
    assert "never instructions" in query.payload_of(page())["untrusted"]


def fitting(records: list[LogRecordView], limit: int) -> dict[str, Any]:
    """Page a list the way a store does, with the offset as cursor."""

    async def read_page(wanted: LogFilter) -> Page:
        start = int(wanted.cursor or 0)
        rows = records[start : start + wanted.limit]
        more = start + len(rows) < len(records)
        return page(*rows, truncated=more, next_cursor=str(start + len(rows)) if more else None)

    return anyio.run(query._fitting, LogFilter(limit=limit), read_page)


def test_an_answer_is_paged_by_bytes_before_it_is_paged_by_rows():
    records = [record(i, message="z" * 1_000) for i in range(200)]
    payload = fitting(records, limit=200)
    assert len(json.dumps(payload, separators=(",", ":"))) <= query.ANSWER_BYTES
    assert payload["truncated"]
    assert payload["next_cursor"] == str(payload["returned"])
    assert payload["returned"] >= 10


def test_what_fits_is_read_once_and_complete():
    payload = fitting([record(i) for i in range(20)], limit=50)
    assert (payload["returned"], payload["truncated"]) == (20, False)
