"""Records and pages as a store would answer them."""

from __future__ import annotations

from typing import Any

from dewey_logs import LogRecordView, Page


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
