"""The line to whoever makes a call: when he hangs up, nobody waits for what is being asked.

The SDK looks for that only where it answers by a stream of events, and to cancel a call over HTTP
there is no other way. Questions alone end with it: what changes something is done to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from starlette.types import Receive

from dewey_logs.errors import QueryTimeout


class Line:
    """One request's, inside its event loop."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()
        self._asking: set[anyio.CancelScope] = set()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Cancel what is inside when the caller hangs up; raises QueryTimeout then."""
        scope = anyio.CancelScope()
        if self._gone.is_set():
            scope.cancel()
        self._asking.add(scope)
        try:
            with scope:
                yield
        finally:
            self._asking.discard(scope)
        if scope.cancelled_caught:
            raise QueryTimeout("the caller has hung up")

    def hang_up(self) -> None:
        """Cancel whatever is being asked, or will be."""
        self._gone.set()
        for scope in self._asking:
            scope.cancel()

    async def hung_up(self) -> None:
        """Return when the caller has hung up."""
        await self._gone.wait()


@asynccontextmanager
async def listening(receive: Receive) -> AsyncIterator[Line]:
    """Listen on a request's line while it is answered; its body has been read."""
    line = Line()

    async def listen() -> None:
        if (await receive())["type"] == "http.disconnect":
            line.hang_up()

    listener = asyncio.create_task(listen())
    try:
        yield line
    finally:
        listener.cancel()
