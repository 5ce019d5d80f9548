"""Asking the store from an event loop: on a thread, and given up when the caller does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread

from dewey_logs.cancellation import Cancellation
from dewey_logs.store import Store
from dewey_logs.tools.caller import asking, caller

EACH_AT_ONCE = 3  # of the four connections that a store reads by

Answer = TypeVar("Answer")


class Ask(Protocol):
    """How a tool asks the store: a question is a function of it, and runs on a thread."""

    async def __call__(self, question: Callable[[Store], Answer], /) -> Answer: ...


async def asked(question: Callable[[], Answer], limiter: anyio.CapacityLimiter) -> Answer:
    """Ask on a thread; a call that is cancelled cancels its statement in PostgreSQL.

    So does a caller who hangs up.
    """
    cancellation = Cancellation()
    with asking():
        try:
            with cancellation.active():
                return await anyio.to_thread.run_sync(
                    question, limiter=limiter, abandon_on_cancel=True
                )
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(cancellation.cancel)
            raise


class Turns:
    """Threads that ask the store, so many at a time, and of one token's questions fewer.

    Else a token whose questions take seconds would have everybody wait for them. Who has none is
    alone on his machine.
    """

    def __init__(self, at_once: int) -> None:
        self.threads = anyio.CapacityLimiter(at_once)
        self._of: dict[str, anyio.CapacityLimiter] = {}

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask when it is the caller's turn; see `asked`."""
        by = caller()
        if by.scopes is None:
            return await asked(question, self.threads)
        own = self._of.setdefault(by.name, anyio.CapacityLimiter(EACH_AT_ONCE))
        with asking():
            async with own:
                return await asked(question, self.threads)
