"""Appending on a thread, together with whatever else waits to be appended.

Records are written one after the other (see `godot.delivery`). A thread that waits for an answer of
Redis has to win the interpreter back from the event loop, which costs more than the record: of 200
calls at once each took 2.0 ms of CPU when every record had a round trip, and 0.8 like this. What
comes while one append lasts goes with the next; each caller hears of his own record.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextvars import Context
from typing import NamedTuple

import anyio
import anyio.to_thread

from clientlib import LogRecord, RecordError
from godot.delivery import Delivery

AT_ONCE = 100
AT_ONCE_BYTES = 2**20  # about: one has 300 KB at most, and Redis holds all of them until EXEC


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
        self._thread = anyio.CapacityLimiter(1)  # the threads of everybody may all be waiting

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
        try:
            return await asked.outcome
        finally:
            del asked  # an error and the frame that it passes through would keep each other

    async def _append_all(self) -> None:
        taken: list[_Asked] = []
        try:
            while self._waiting:
                taken = []
                found = await anyio.to_thread.run_sync(self._append, taken, limiter=self._thread)
                for asked, outcome in zip(taken, found, strict=True):
                    _tell(asked, outcome)
                taken.clear()  # an error knows it by the frames, and it those who heard the error
        except Exception as exc:  # noqa: BLE001  # no thread could be had: each has to hear of it
            for asked in (*taken, *self._waiting):
                _tell(asked, exc)
            self._waiting.clear()
        finally:
            self._task = None

    def _append(self, taken: list[_Asked]) -> list[LogRecord | Exception]:
        """Append whoever waits, as far as a trip has room; return the outcome of each."""
        made = list(self._next(taken))
        try:
            self._delivery.send([one for one in made if isinstance(one, LogRecord)], whole=True)
        except Exception as exc:  # noqa: BLE001  # whatever it is, each of them has to hear of it
            self._delivery.give_up()
            _lighten(exc)
            return [exc if isinstance(one, LogRecord) else one for one in made]
        return made

    def _next(self, taken: list[_Asked]) -> Iterator[LogRecord | Exception]:
        """Take callers for a trip, and make their records."""
        size = 0
        while self._waiting and len(taken) < AT_ONCE and size < AT_ONCE_BYTES:
            asked = self._waiting.popleft()
            if asked.outcome.done():
                continue  # he has given up
            taken.append(asked)
            made = self._made(asked)
            size += made.size() if isinstance(made, LogRecord) else 0
            yield made

    def _made(self, asked: _Asked) -> LogRecord | Exception:
        try:
            return self._delivery.make(*asked[:5])
        except RecordError as exc:
            return exc
        except Exception as exc:  # noqa: BLE001  # of this record alone
            self._delivery.give_up()  # it may have a number already
            return exc


def _tell(asked: _Asked, outcome: LogRecord | Exception) -> None:
    if asked.outcome.done():
        return  # he has given up meanwhile
    if isinstance(outcome, LogRecord):
        asked.outcome.set_result(outcome)
    else:
        asked.outcome.set_exception(outcome)


def _lighten(exc: BaseException) -> None:
    """Let go of most that an error's frames hold: a trip's records, packed for Redis and not."""
    traceback.clear_frames(exc.__traceback__)
    for before in {exc.__cause__, exc.__context__}:
        if before is not None:
            _lighten(before)
