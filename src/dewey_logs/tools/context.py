"""A record in full, and what happened around it: one tool under two names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.answers import Context
from dewey_logs.context import MAX_AROUND
from dewey_logs.rows import LogRecordView
from dewey_logs.times import parse_time
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import Fields, MaxBytes
from dewey_logs.tools.kinds import SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import (
    MAX_MESSAGE_CHARS,
    MESSAGE_CHARS,
    UNTRUSTED,
    Shape,
    shape_of,
    short_ms,
    short_time,
    table,
    without,
)
from dewey_logs.tools.texts import LEAST_BYTES, cut, small
from dewey_logs.tools.threads import Ask

WHOLE_CHARS = 4_000
MILLISECOND = timedelta(milliseconds=1)
ABOUT = """\
Show one record in full, with its data, and the records just before and after it.

Use it on an id from any other answer, to see what led to a line. rows have ms before (-) and after
it; same=component or trace leaves out the others. Not for a whole request ({trace}).
"""


def offer_context(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that shows what is around a record."""

    async def context(
        id: Annotated[str, Field(description="of the record")],
        created_at: Annotated[
            str, Field(description="its time, RFC 3339: quicker for an id of no time")
        ] = "",
        before: Annotated[int, Field(ge=0, le=MAX_AROUND)] = 5,
        after: Annotated[int, Field(ge=0, le=MAX_AROUND)] = 10,
        same: Annotated[Literal["all", "component", "trace"], Field()] = "all",
        fields: Fields = [],  # noqa: B006  # never changed, and shown in the schema
        message_chars: Annotated[
            int, Field(ge=20, le=MAX_MESSAGE_CHARS, description="of the record's own message")
        ] = WHOLE_CHARS,
        max_bytes: MaxBytes = ANSWER_BYTES,
    ) -> CallToolResult:
        shape = shape_of(fields, message_chars)
        at = parse_time("created_at", created_at, datetime.now(UTC)) if created_at else None
        found = await ask(
            lambda store: store.context(
                id, at, before=before, after=after, same=None if same == "all" else same
            )
        )
        if found is None:
            return answer(_none(names))
        return answer(await told(found, names, shape, max_bytes))

    server.offer(context, names.context, SEARCHES, ABOUT.format(**names._asdict()))


async def told(found: Context, names: Names, shape: Shape, max_bytes: int) -> Payload:
    """Return a record and as many of its nearest neighbours as fit."""
    record = found.rows[found.position]
    earlier, later = found.rows[: found.position], found.rows[found.position + 1 :]
    at = datetime.fromisoformat(record.created_at)

    def ms(one: LogRecordView) -> float:
        return short_ms((datetime.fromisoformat(one.created_at) - at) / MILLISECOND)

    async def build(rows: int, chars: int) -> Payload:
        most_before = max((rows + 1) // 3, rows - 1 - len(later))  # twice as much of what followed
        n_before = min(len(earlier), most_before)
        before = earlier[len(earlier) - n_before :]
        after = later[: rows - 1 - n_before]
        beside = shape._replace(message_chars=min(chars, MESSAGE_CHARS))
        returned = len(before) + 1 + len(after)
        truncated = found.truncated or returned < len(found.rows)
        payload: Payload = {
            "untrusted": UNTRUSTED,
            "record": _whole(record, chars),
            "before": table(before, beside, ("ms", ms)),
            "after": table(after, beside, ("ms", ms)),
            "returned": returned,
            "truncated": truncated,
            "next_cursor": None,
        }
        for side in ("before", "after"):
            without(payload[side], "trace_id", payload["record"].get("trace_id"))
        if truncated:
            payload["hints"] = [
                f"there are more: a larger before or after (up to {MAX_AROUND}), or {names.query} "
                "with since and until"
            ]
        return payload

    return await fitting(build, len(found.rows), shape.message_chars, max_bytes)


def _whole(record: LogRecordView, chars: int) -> Payload:
    return {
        "time": short_time(record.created_at),
        "level": record.level,
        "component": cut(record.component, MESSAGE_CHARS),
        "message": cut(record.message, chars),
        **({"trace_id": cut(record.trace_id, MESSAGE_CHARS)} if record.trace_id else {}),
        **({"data": small(record.data, chars, max(LEAST_BYTES, chars))} if record.data else {}),
        "id": record.id,
    }


def _none(names: Names) -> Payload:
    return {
        "record": None,
        "returned": 0,
        "truncated": False,
        "next_cursor": None,
        "hints": [f"no record has this id: take it whole out of what {names.query} answers"],
    }
