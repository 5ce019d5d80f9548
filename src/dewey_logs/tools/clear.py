"""Removing records by a filter, in two steps: one tool under two names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.clearing import ClearPlan
from dewey_logs.filterprint import format_filter
from dewey_logs.filters import LogFilter
from dewey_logs.tools.advice import when_empty
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import filtered
from dewey_logs.tools.calls import current
from dewey_logs.tools.confirm import GOOD_FOR_S, Confirmations
from dewey_logs.tools.kinds import CLEARS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import Payload
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, short_time
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask

SHOWN = 20
NOTHING = LogFilter()
ABOUT = """\
Remove stored records for good. Without confirm nothing is removed: it answers what would be.

Use it only when you were asked to remove logs: call it with filters (or all=true), show the plan to
whoever asked, then call it with the plan's confirm alone. level removes that level and everything
above it. The log keeps a record of who removed what. Not for hiding lines from an answer ({query}
takes -word).
"""


class Planned(NamedTuple):
    """A plan, and the arguments that it was made of."""

    plan: ClearPlan
    given: LogFilter
    everything: bool


def offer_clear(server: StrictServer, names: Names, ask: Ask, do: Ask) -> None:
    """Add the tool that removes; what `do` is asked goes on when its caller has hung up."""
    waiting: Confirmations[Planned] = Confirmations()

    async def clear(
        wanted: LogFilter,
        all: Annotated[bool, Field(description="every record; takes no filter")] = False,
        confirm: Annotated[str, Field(description="what the plan's answer says")] = "",
    ) -> CallToolResult:
        caller = current().caller
        if not confirm:
            return answer(await _planned(wanted, all, caller))
        planned = waiting.plan_of(confirm, caller)
        if (wanted, all) not in ((NOTHING, False), (planned.given, planned.everything)):
            raise ToolError("confirm belongs to another filter: give it alone, or plan again")
        waiting.used(confirm)
        call, plan = current(), planned.plan
        asked_by = call.asked_by + (f" in trace {call.trace_id}" if call.trace_id else "")
        done = await do(
            lambda store: store.clear(plan.filter, asked_by=asked_by, everything=planned.everything)
        )
        return answer({"removed": done.records, **_days(done.partitions), "clear_id": done.id})

    async def _planned(wanted: LogFilter, everything: bool, caller: str) -> Payload:
        plan = await do(lambda store: store.plan_clear(wanted, everything=everything))
        payload = told(plan)
        if plan.exact and not plan.records:
            return {**payload, "hints": await when_empty(ask, names, wanted)}
        word = waiting.keep(Planned(plan, wanted, everything), caller)
        return {**payload, "confirm": word, "confirm_good_for_s": GOOD_FOR_S}

    parts = ("since", "until", "component", "level", "trace_id", "search", "contains", "regex")
    about = ABOUT.format(**names._asdict())
    server.offer(filtered(clear, (*parts, "data", "filter")), names.clear, CLEARS, about)


def told(plan: ClearPlan) -> Payload:
    """Return a plan as a payload."""
    names = [[cut(name, MESSAGE_CHARS), n] for name, n in plan.components[:SHOWN]]
    more = len(plan.components) - SHOWN
    return {
        "dry_run": True,
        "untrusted": UNTRUSTED,
        "would_remove": plan.records if plan.exact else f"{plan.records}+",
        "filter": format_filter(plan.filter),
        "components": names,
        **({"more_components": more} if more > 0 else {}),
        "levels": dict(plan.levels),
        "oldest": None if plan.oldest is None else short_time(plan.oldest),
        "newest": None if plan.newest is None else short_time(plan.newest),
        **_days(plan.partitions),
    }


def _days(partitions: Sequence[str]) -> Payload:
    more = len(partitions) - SHOWN
    shown = {"partitions": list(partitions[:SHOWN])}
    return {**shown, "more_partitions": more} if more > 0 else shown
