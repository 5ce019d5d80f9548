"""Records and pages as a store would answer them."""

from __future__ import annotations

from typing import Any

from dewey_logs import LogRecordView, Page, Trace, TraceRecord


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


def a_trace(first: LogRecordView, **changed: Any) -> Trace:
    given: dict[str, Any] = {
        "trace_id": "order-7",
        "rows": (TraceRecord(first, 0.0, 0.0),),
        "returned": 1,
        "truncated": False,
        "matched": 1,
        "started": first.created_at,
        "ended": first.created_at,
        "duration_ms": 0.0,
        "components": (first.component,),
        "first_error": None,
        "strategy": "trace",
        "took_ms": 1.26,
    }
    return Trace(**(given | changed))


def rows_of(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(payload["columns"], row, strict=True)) for row in payload["rows"]]
