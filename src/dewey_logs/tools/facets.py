"""The most frequent values of a field: a tool of Dewey's."""

from __future__ import annotations

from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.answers import Facets
from dewey_logs.filters import LogFilter
from dewey_logs.tools.advice import when_empty
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, filtered
from dewey_logs.tools.kinds import COUNTS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask

ABOUT = """\
List the most frequent values of a field: component, level, trace_id, or a path in data.

Use it to learn which components there are, or whom errors concern (field=user.id, level=ERROR).
Of data the newest 20,000 records that match are looked at. Not for counts over time ({stats}).
"""


def offer_facets(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that lists values."""

    async def facets(
        wanted: LogFilter,
        field: Annotated[str, Field(description="component, level, trace_id, user.id, …")],
    ) -> CallToolResult:
        found = await ask(lambda store: store.facets(field, wanted))
        payload = await told(found)
        if not found.matched:
            payload["hints"] = await when_empty(ask, names, wanted)
        return answer(payload)

    about = ABOUT.format(**names._asdict())
    server.offer(filtered(facets, (*FILTER, "limit")), names.facets, COUNTS, about)


async def told(found: Facets) -> Payload:
    """Return values as a payload: as many as fit."""

    async def build(rows: int, chars: int) -> Payload:
        first = found.values[:rows]
        return {
            "untrusted": UNTRUSTED,
            "field": cut(found.field, MESSAGE_CHARS),
            "scanned": f"{found.matched}+" if found.sampled else found.matched,
            "missing": found.missing,
            "distinct": found.distinct,
            "columns": ["value", "n"],
            "rows": [[cut(one.value, chars), one.n] for one in first],
            "returned": len(first),
            "truncated": found.truncated or len(first) < len(found.values),
            "next_cursor": None,
            **({"counted_back_to": found.reached} if found.scan_incomplete else {}),
        }

    return await fitting(build, len(found.values), MESSAGE_CHARS, ANSWER_BYTES)
