"""What is being logged now: waiting for the next records, one tool under two names."""

from __future__ import annotations

import time
from typing import Annotated

import anyio
from mcp.types import CallToolResult
from msgspec.structs import replace
from pydantic import Field

from dewey_logs.answers import Arrivals
from dewey_logs.filters import LogFilter
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, Fields, filtered
from dewey_logs.tools.kinds import SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import UNTRUSTED, Shape, shape_of, table
from dewey_logs.tools.threads import Ask

MAX_WAIT_MS = 20_000
LOOK_EVERY_S = 0.25
LOOKS_PER_S = 100  # of all who wait: each is a question to the store, and others ask, too
ABOUT = """\
Wait for records that are stored from now on, oldest first; returns as soon as there are any.

Use it to watch the effect of something: call it once with wait_ms=0, do the thing, then call it
with next_cursor and the same filters, again and again. A record that arrives more than a minute
after it was logged is left out. Not for what was logged before ({query}).
"""


class Waiting:
    """How many wait, and how often each of them looks; entered by who begins to wait."""

    def __init__(self) -> None:
        self._callers = 0

    @property
    def look_every_s(self) -> float:
        """Return the seconds between two looks of one caller."""
        return max(LOOK_EVERY_S, self._callers / LOOKS_PER_S)

    def __enter__(self) -> Waiting:
        self._callers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._callers -= 1


def offer_tail(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that waits for records."""
    waiting = Waiting()

    async def tail(
        wanted: LogFilter,
        wait_ms: Annotated[int, Field(ge=0, le=MAX_WAIT_MS, description="at most")] = 5_000,
        fields: Fields = [],  # noqa: B006  # never changed, and shown in the schema
    ) -> CallToolResult:
        with waiting:
            return answer(await arrived(ask, wanted, shape_of(fields), wait_ms / 1000, waiting))

    about = ABOUT.format(**names._asdict())
    parts = [name for name in FILTER if name not in ("since", "until")]
    tool = filtered(tail, (*parts, "limit", "cursor"))
    server.offer(tool, names.tail, SEARCHES, about, waits=True)


async def arrived(
    ask: Ask, wanted: LogFilter, shape: Shape, wait_s: float, waiting: Waiting
) -> Payload:
    """Return what arrives as a payload: as many records as fit, the others at the next call."""
    deadline = time.monotonic() + wait_s
    found = await ask(lambda store: store.arrivals(wanted))
    begun = replace(wanted, cursor=wanted.cursor or found.next_cursor)
    while not found.rows and (left := deadline - time.monotonic()) > 0:
        await anyio.sleep(min(waiting.look_every_s, left))
        found = await ask(lambda store: store.arrivals(begun))
    page: Arrivals = found

    async def build(rows: int, chars: int) -> Payload:
        nonlocal page
        if rows < len(page.rows):
            page = await ask(lambda store: store.arrivals(replace(begun, limit=rows)))
        return {
            "untrusted": UNTRUSTED,
            **table(page.rows, shape._replace(message_chars=chars)),
            "returned": len(page.rows),
            "truncated": page.truncated,
            "next_cursor": page.next_cursor,
        }

    return await fitting(build, len(found.rows), shape.message_chars, ANSWER_BYTES)
