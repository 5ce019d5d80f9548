"""One request from its first record to its last, whoever wrote them: one tool under two names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.answers import Trace
from dewey_logs.rows import LogRecordView
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import Fields, MaxBytes, MessageChars
from dewey_logs.tools.kinds import SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import (
    MESSAGE_CHARS,
    UNTRUSTED,
    Shape,
    shape_of,
    short_ms,
    short_time,
    table,
    without,
)
from dewey_logs.tools.texts import cut, quoted
from dewey_logs.tools.threads import Ask
from dewey_logs.traces import following

MAX_RECORDS = 1_000
ABOUT = """\
Show one trace (a request) in order, across all components, with ms since its first record.

Use it once a record of interest has a trace_id: it shows what led to an error and what followed,
`first_error` and `longest_gap_ms`. Not for records around one that has no trace ({context}).
"""


def offer_trace(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that shows a trace."""

    async def trace(
        trace_id: Annotated[str, Field(description="whole, or a UUID's first 8+ digits")],
        limit: Annotated[int, Field(ge=1, le=MAX_RECORDS, description="records")] = 100,
        fields: Fields = [],  # noqa: B006  # never changed, and shown in the schema
        message_chars: MessageChars = MESSAGE_CHARS,
        max_bytes: MaxBytes = ANSWER_BYTES,
    ) -> CallToolResult:
        shape = shape_of(fields, message_chars)
        found = await ask(lambda store: store.trace(trace_id, limit))
        if found is None:
            return answer(_none(names, trace_id))
        return answer(await told(found, names, shape, max_bytes))

    server.offer(trace, names.trace, SEARCHES, ABOUT.format(**names._asdict()))


async def told(found: Trace, names: Names, shape: Shape, max_bytes: int) -> Payload:
    """Return a trace as a payload: as many of its first records as fit."""
    offsets = {row.record.id: short_ms(row.offset_ms) for row in found.rows}
    records = [row.record for row in found.rows]

    async def build(rows: int, chars: int) -> Payload:
        first = records[:rows]
        truncated = found.truncated or len(first) < len(records)
        error = found.first_error
        payload: Payload = {
            "untrusted": UNTRUSTED,
            "trace_id": cut(found.trace_id, MESSAGE_CHARS),
            "started": short_time(found.started),
            "duration_ms": short_ms(found.duration_ms),
            "longest_gap_ms": short_ms(max(row.gap_ms for row in found.rows)),
            "total": f"{found.matched}+" if found.matched_capped else found.matched,
            "components": [cut(name, MESSAGE_CHARS) for name in found.components[:20]],
            "first_error": None if error is None else _error(error, found, chars),
            **table(first, shape._replace(message_chars=chars), ("ms", lambda r: offsets[r.id])),
            "returned": len(first),
            "truncated": truncated,
            "next_cursor": (
                following(found.trace_id, first[-1], found.matched, found.matched_capped)
                if truncated
                else None
            ),
        }
        without(payload, "trace_id", payload["trace_id"])
        hints = [*_unsearched(found, names), *_rest(found, names, truncated)]
        return {**payload, "hints": hints} if hints else payload

    return await fitting(build, len(records), shape.message_chars, max_bytes)


def _unsearched(found: Trace, names: Names) -> Iterator[str]:
    """Say that no first error does not mean that there is none."""
    if found.scan_incomplete:
        yield (
            "the trace is too long to have been searched for its first error: ask "
            f"{names.query} with trace_id={quoted(found.trace_id)}, level=ERROR and order=asc"
        )


def _rest(found: Trace, names: Names, truncated: bool) -> Iterator[str]:
    if truncated:
        yield (
            f"go on with {names.query}: trace_id={quoted(found.trace_id)}, order=asc and this "
            "next_cursor"
        )


def _error(error: LogRecordView, found: Trace, chars: int) -> Payload:
    since = datetime.fromisoformat(error.created_at) - datetime.fromisoformat(found.started)
    return {
        "ms": short_ms(since.total_seconds() * 1000),
        "component": cut(error.component, MESSAGE_CHARS),
        "message": cut(error.message, chars),
        "id": error.id,
    }


def _none(names: Names, trace_id: str) -> Payload:
    return {
        "trace_id": cut(trace_id, MESSAGE_CHARS),
        "columns": [],
        "rows": [],
        "returned": 0,
        "truncated": False,
        "next_cursor": None,
        "hints": [
            "no record has this trace_id: only of a UUID the first 8 digits will do, other ids "
            f"must be whole; {names.query} shows the trace_id of records"
        ],
    }
