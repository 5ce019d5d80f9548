"""An HTTP connection on which a request has to come, or it is closed.

The gate gives a body its time, but it sees a request only once its head is whole; uvicorn waits for
that without end. Half a head a connection, and a stranger without a token would keep every file
descriptor there is.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_S = 10.0


class Connection(H11Protocol):
    """uvicorn's, which hangs up when HEAD_S after the first byte, or none, no head is complete.

    Between two requests nothing is sent, and uvicorn's own limit counts.
    """

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_be()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Begin to wait for a head, go on, or end it where one is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        if cycle is not None and not cycle.response_complete:
            self._let_be()
        elif self._closing is None:
            self._closing = self.loop.call_later(HEAD_S, self.transport.close)

    def _let_be(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
