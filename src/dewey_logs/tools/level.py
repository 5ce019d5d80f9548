"""Saying from outside which records running programs make: one tool under two names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.errors import BadFilter
from dewey_logs.filters import MAX_NAME_CHARS, level_name
from dewey_logs.levels import LevelChange, LevelSetting
from dewey_logs.tools.answer import answer
from dewey_logs.tools.calls import current
from dewey_logs.tools.kinds import SETS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import Payload
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, short_time
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask
from dewey_logs.tools.windows import span_of

MAX_FOR_DAYS = 366
SHOWN = 20
ABOUT = """\
Set the least level that running programs of a component log; they follow within seconds.

Use it to see more of one component for a while (level=DEBUG), or less of a noisy one. It returns by
itself after duration; forever keeps it. level=default lets programs decide again. Answers what is
set now, and what was before. The log keeps a record of who did it. Not for filtering what is stored
already ({query} takes level).
"""

SetLevel = Callable[[str, str, int | None, LevelChange], Awaitable[LevelSetting]]
ClearLevel = Callable[[str, LevelChange], Awaitable[tuple[str, ...]]]


def offer_level(
    server: StrictServer, names: Names, ask: Ask, set_: SetLevel, clear: ClearLevel
) -> None:
    """Add the tool that sets levels."""

    async def set_level(
        component: Annotated[str, Field(description="its exact name; * is every other one")],
        level: Annotated[str, Field(description="TRACE DEBUG INFO WARN ERROR, or default")],
        duration: Annotated[str, Field(description="10m, 2h, forever")] = "1h",
    ) -> CallToolResult:
        name = _name(component)
        call = current()
        change = LevelChange(call.asked_by, call.trace_id)
        before = {one.component: one for one in await ask(lambda store: store.levels())}
        if level.strip().lower() == "default":
            await clear(name, change)
        else:
            await set_(name, level_name(level), _for_ms(duration), change)
        after = await ask(lambda store: store.levels())
        shown = sorted(after, key=lambda one: one.component != name)[:SHOWN]
        return answer(
            {
                "set": [_told(one) for one in shown],
                **({"more": len(after) - SHOWN} if len(after) > SHOWN else {}),
                "previous": _told(before[name]) if name in before else None,
            }
        )

    server.offer(set_level, names.set_level, SETS, ABOUT.format(**names._asdict()))


def _name(component: str) -> str:
    sendable = component.encode("utf-8", "replace").decode()  # half of a character is not
    if (
        not component.strip()
        or "\0" in component
        or len(component) > MAX_NAME_CHARS
        or (sendable != component)
    ):
        raise BadFilter(f"component={component!r:.60} is none: 1 to {MAX_NAME_CHARS} characters")
    return component


def _for_ms(duration: str) -> int | None:
    if duration.strip().lower() == "forever":
        return None
    seconds = span_of("duration", duration).total_seconds()
    if not 1 <= seconds <= MAX_FOR_DAYS * 86_400:
        raise BadFilter(f"duration={duration!r:.40} is not possible: try 10m, 2h, or forever")
    return round(seconds * 1000)


def _told(one: LevelSetting) -> Payload:
    return {
        "component": cut(one.component, MESSAGE_CHARS),
        "level": one.level,
        "until": None if one.expires_at is None else short_time(one.expires_at),
    }
