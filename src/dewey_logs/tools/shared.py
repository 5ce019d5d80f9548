"""Of calls that ask the same and have to wait anyway, one is made for all of them.

Fleets of agents and dashboards ask the same at the same moment. As many of the same are made side
by side as a token may have asked at once; whoever comes while they last would wait for his turn,
and waits together with everybody else who asks that. What they get was asked after the last of them
had come, so nobody is told what was true before he asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

from dewey_logs.tools.caller import asking, unattended
from dewey_logs.tools.threads import EACH_AT_ONCE

Answer = TypeVar("Answer")
Make = Callable[[], Awaitable[Answer]]


class _Joint(Generic[Answer]):
    """A call for everybody who waits for it, made once it has its turn."""

    def __init__(self, make: Make[Answer], context: Context) -> None:
        self.waiting = 0
        self._turn = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(make), context=context)

    def begin(self) -> None:
        self._turn.set()

    async def _run(self, make: Make[Answer]) -> Answer:
        await self._turn.wait()
        return await make()


class Shared(Generic[Answer]):
    """Calls by what they ask, inside one event loop."""

    def __init__(self, at_once: int = EACH_AT_ONCE) -> None:
        self._at_once = at_once
        self._being_made: Counter[str] = Counter()
        self._next: dict[str, _Joint[Answer]] = {}

    async def answer(self, key: str, make: Make[Answer]) -> Answer:
        """Make a call, or have it made together with those of the same key.

        A caller who gives up leaves the others theirs; the last one takes the call with him.
        """
        if self._being_made[key] < self._at_once:
            return await self._made(key, make)
        joint = self._next.get(key)
        if joint is None:
            joint = self._next[key] = _Joint(lambda: self._made(key, make), unattended())
        joint.waiting += 1
        try:
            with asking():
                return await asyncio.shield(joint.task)
        finally:
            joint.waiting -= 1
            if not joint.waiting:
                joint.task.cancel()
                if self._next.get(key) is joint:
                    del self._next[key]

    async def _made(self, key: str, make: Make[Answer]) -> Answer:
        self._being_made[key] += 1
        try:
            return await make()
        finally:
            self._being_made[key] -= 1
            if not self._being_made[key]:
                del self._being_made[key]
            if joint := self._next.pop(key, None):
                joint.begin()
