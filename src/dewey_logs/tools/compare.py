"""What has changed: two windows of time against each other, one tool under two names."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.answers import PatternChange, WindowComparison
from dewey_logs.comparison import MIN_RATIO
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter
from dewey_logs.tools.advice import when_empty
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, filtered
from dewey_logs.tools.kinds import COUNTS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.patterns import sample_of
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, columns_of
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask
from dewey_logs.tools.windows import Window, span_of, window_of

COMPARE_ABOUT = """\
Compare a window of time with an earlier one: which kinds of messages are new, grew, or are gone.

Use it when something broke: since and until are the bad time (default: the last hour), back is how
far before it the good time lies (default: just before; 24h is the same time yesterday). Rates are
compared. Not for one window alone ({patterns}).
"""
LISTS = ("new", "grew", "gone")


Back = Annotated[str, Field(description="like 24h; default: the window's length")]
MinRatio = Annotated[float, Field(ge=1, description="how many times more often counts as grown")]


class CompareWindows(Protocol):
    """How two windows are compared, by the parts of a call."""

    async def __call__(
        self, wanted: LogFilter, back: Back, min_ratio: MinRatio
    ) -> CallToolResult: ...


def offer_compare(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that says what changed."""
    tool = filtered(windows_compared(names, ask), (*FILTER, "limit"))
    server.offer(tool, names.compare, COUNTS, COMPARE_ABOUT.format(**names._asdict()))


def windows_compared(names: Names, ask: Ask) -> CompareWindows:
    """Return what the tool does, for a server that has it compare other things, too."""

    async def compare(
        wanted: LogFilter, back: Back = "", min_ratio: MinRatio = MIN_RATIO
    ) -> CallToolResult:
        after = window_of(wanted)
        far = span_of("back", back) if back else after.high - after.low
        if far.total_seconds() <= 0:
            raise BadFilter(f"back={back!r:.40} does not lie before the window: try 24h")
        before = after.back(far)
        found = await ask(
            lambda store: store.compare(
                before.of(wanted), after.of(wanted), min_ratio=min_ratio, limit=wanted.limit
            )
        )
        payload = await told(found, before, after)
        if not found.matched:
            payload["hints"] = await when_empty(ask, names, after.of(wanted))
        return answer(payload)

    return compare


async def told(found: WindowComparison, before: Window, after: Window) -> Payload:
    """Return what changed as a payload: as many of each list as fit."""
    lists = {name: getattr(found, name) for name in LISTS}

    async def build(rows: int, chars: int) -> Payload:
        shown = {name: changes[:rows] for name, changes in lists.items()}
        cut_off = any(len(shown[name]) < len(lists[name]) for name in LISTS)
        return {
            "untrusted": UNTRUSTED,
            "before": {**before.told(), "total": found.total_before},
            "after": {**after.told(), "total": found.total_after},
            **{
                name: {
                    "count": getattr(found, f"{name}_count"),
                    **columns_of([_row(one, chars) for one in changes]),
                }
                for name, changes in shown.items()
            },
            "returned": sum(map(len, shown.values())),
            "truncated": found.truncated or cut_off,
            "next_cursor": None,
        }

    longest = max(map(len, lists.values()))
    return await fitting(build, longest, MESSAGE_CHARS, ANSWER_BYTES)


def _row(one: PatternChange, chars: int) -> dict[str, Any]:
    """Return a change; what is new was never before, what is gone is not there after."""
    return {
        "before": one.before or None,
        "after": one.after or None,
        "ratio": None if not one.ratio else round(one.ratio, 1),
        "template": cut(one.template, chars),
        **sample_of(one.sample),
    }
