"""Appending on a thread, together with whatever else waits to be appended.

Records are written one after the other (see `godot.delivery`). A thread that waits for an answer of
Redis has to win the interpreter back from the event loop, which costs more than the record: of 200
calls at once each took 2.0 ms of CPU when every record had a round trip, and 0.8 like this. What
comes while one append lasts goes with the next; each caller hears of his own record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import NamedTuple

import anyio
import anyio.to_thread

from clientlib import LogRecord
from godot.delivery import Delivery

AT_ONCE = 100  # the largest have 300 KB


class _Asked(NamedTuple):
    component: str
    message: str
    level: str
    data: Mapping[str, object] | None
    trace_id: str | None
    outcome: asyncio.Future[LogRecord]


class Together:
    """Appends records in the order in which they come; used inside an event loop."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._waiting: deque[_Asked] = deque()
        self._task: asyncio.Task[None] | None = None

    async def append(
        self,
        component: str,
        message: str,
        level: str,
        data: Mapping[str, object] | None,
        trace_id: str | None,
    ) -> LogRecord:
        """Return a record once Redis has it; raise what `Delivery` raises.

        Who gives up before it is his turn has written nothing.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(component, message, level, data, trace_id, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._append_all(), context=Context())
        return await asked.outcome

    async def _append_all(self) -> None:
        try:
            while self._waiting:
                first = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                wanted = [asked for asked in first if not asked.outcome.done()]
                found = await anyio.to_thread.run_sync(self._append, wanted)
                for asked, outcome in zip(wanted, found, strict=True):
                    if asked.outcome.done():
                        continue  # he has given up meanwhile
                    if isinstance(outcome, LogRecord):
                        asked.outcome.set_result(outcome)
                    else:
                        asked.outcome.set_exception(outcome)
        finally:
            self._task = None

    def _append(self, wanted: Sequence[_Asked]) -> list[LogRecord | Exception]:
        made = [self._made(asked) for asked in wanted]
        try:
            self._delivery.send([one for one in made if isinstance(one, LogRecord)], whole=True)
        except Exception as exc:  # noqa: BLE001  # whatever it is, each of them has to hear of it
            self._delivery.give_up()
            return [exc if isinstance(one, LogRecord) else one for one in made]
        return made

    def _made(self, asked: _Asked) -> LogRecord | Exception:
        try:
            return self._delivery.make(*asked[:5])
        except Exception as exc:  # noqa: BLE001  # of this record alone
            return exc
