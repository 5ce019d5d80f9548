"""Searching stored records: one tool behind `dewey_query_logs` and `logger_query`."""

from __future__ import annotations

from typing import Any

from mcp.types import CallToolResult
from msgspec.structs import replace

from dewey_logs.filters import LogFilter
from dewey_logs.rows import Page
from dewey_logs.tools.advice import when_empty, when_many
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, PAGING, Fields, MaxBytes, MessageChars, filtered
from dewey_logs.tools.kinds import SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, Shape, shape_of, table
from dewey_logs.tools.threads import Ask

ABOUT = """\
Search stored log records; every filter is optional, all given ones must match.

Use it to find what happened: start with level=ERROR and a short since, then follow a trace_id with
{trace} or an id with {context}. Not for counting ({stats}) or for what kinds of messages there are
({patterns}). search is quickest, then contains, then regex. Answers columns and rows; what all rows
share stands in `common`, n counts repeated lines, traces theirs. truncated: go on with next_cursor
and the same filters. A record shows up about 0.2 s after it was logged.
"""


def offer_query(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the query tool."""

    async def query(
        wanted: LogFilter,
        fields: Fields = [],  # noqa: B006  # never changed, and shown in the schema
        message_chars: MessageChars = MESSAGE_CHARS,
        max_bytes: MaxBytes = ANSWER_BYTES,
    ) -> CallToolResult:
        shape = shape_of(fields, message_chars)
        return answer(await found(ask, names, wanted, shape, max_bytes))

    about = ABOUT.format(**names._asdict())
    server.offer(filtered(query, (*FILTER, *PAGING)), names.query, SEARCHES, about)


async def found(ask: Ask, names: Names, wanted: LogFilter, shape: Shape, max_bytes: int) -> Payload:
    """Return one page as a payload; asks again for fewer rows, to have their cursor."""
    page = await ask(lambda store: store.query(wanted))

    async def build(rows: int, chars: int) -> Payload:
        nonlocal page
        if rows < len(page.rows):
            page = await ask(lambda store: store.query(replace(wanted, limit=rows)))
        payload = payload_of(page, shape._replace(message_chars=chars))
        if hints := when_many(names, wanted, page):
            payload["hints"] = hints
        return payload

    payload = await fitting(build, len(page.rows), shape.message_chars, max_bytes)
    if not payload["returned"] and not wanted.cursor and not payload.get("scanned_to"):
        payload["hints"] = await when_empty(ask, names, wanted)
    return payload


def payload_of(page: Page, shape: Shape) -> dict[str, Any]:
    """Return a page in the fewest words: columns, rows, and what they share."""
    return {
        "untrusted": UNTRUSTED,
        **table(page.rows, shape),
        "returned": len(page.rows),
        "matched": f"{page.matched}+" if page.matched_capped else page.matched,
        "truncated": page.truncated,
        "next_cursor": page.next_cursor,
        **({"scanned_to": page.scanned_to} if page.scan_incomplete else {}),
        "took_ms": round(page.took_ms, 1),
    }
