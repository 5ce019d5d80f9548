"""What to do next, where an answer alone does not tell: nothing was found, or far too much.

A model that is told only `0 rows` repeats its question in other words. So an empty answer says how
far the log reaches, which name is near the one that was asked for, and which part of the filter
leaves nothing; that costs a second at most, and only then.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial

import anyio
from msgspec.structs import replace

from dewey_logs.answers import Summary
from dewey_logs.errors import DeweyError
from dewey_logs.filters import LogFilter
from dewey_logs.rows import Page
from dewey_logs.store import Store
from dewey_logs.tools.names import Names
from dewey_logs.tools.table import short_time
from dewey_logs.tools.texts import quoted
from dewey_logs.tools.threads import Ask

PATIENCE_S = 1.0
MANY = 5  # times as many as are shown
NAMES_KNOWN = 1_000
_NOTHING = LogFilter()
_PARTS = ("component", "level", "trace_id", "search", "contains", "regex", "data", "where")


async def when_empty(ask: Ask, names: Names, wanted: LogFilter) -> list[str]:
    """Return what to try when nothing matches; may be cut short, and never fails."""
    hints: list[str] = []
    with suppress(DeweyError), anyio.move_on_after(PATIENCE_S):
        known = await ask(lambda store: store.summary(LogFilter(limit=NAMES_KNOWN), disk=False))
        hints += _reach(known)
        hints += _near(known, wanted)
        if known.matched:
            async for part in _obstacles(ask, wanted):
                hints.append(f"without {part} there are records that match")
    if not hints and wanted != _NOTHING:
        hints.append(f"leave a filter out, or begin with {names.stats}")
    return hints


def when_many(names: Names, wanted: LogFilter, page: Page) -> list[str]:
    """Return how to get to the point where a page shows a small part of what matches."""
    if not page.truncated or wanted.cursor or page.matched < MANY * len(page.rows):
        return []
    missing = [name for name in ("since", "component", "level") if not getattr(wanted, name)]
    by = f" by {', '.join(missing)}" if missing else ""
    return [
        f"narrow{by}; {names.patterns} with the same filter says what kinds of message these are"
    ]


def _reach(known: Summary) -> Iterator[str]:
    if known.oldest is None or known.newest is None:
        yield "nothing is stored yet"
    else:
        yield f"the log reaches from {short_time(known.oldest)} to {short_time(known.newest)}"


def _near(known: Summary, wanted: LogFilter) -> Iterator[str]:
    there = [one.component for one in known.components]
    for name in wanted.component:
        if "*" in name or name in there or known.truncated:
            continue
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
        also = f"; the nearest is {quoted(near[0])}" if near else ""
        yield f"no component is called {quoted(name)}{also}"


async def _obstacles(ask: Ask, wanted: LogFilter) -> AsyncIterator[str]:
    """Yield each part of the filter without which something would match."""
    given = [name for name in _PARTS if getattr(wanted, name) != getattr(_NOTHING, name)]
    looser = {name: {name: getattr(_NOTHING, name)} for name in given}
    read_through = wanted.contains or wanted.regex  # which no index shortens: it took long enough
    if (wanted.since or wanted.until) and not read_through:
        looser["since and until"] = {"since": None, "until": None}
    for part, change in looser.items():
        page = await ask(partial(_first, replace(wanted, limit=1, **change)))
        if page.rows:
            yield "filter" if part == "where" else part


def _first(wanted: LogFilter, store: Store) -> Page:
    return store.query(wanted)
