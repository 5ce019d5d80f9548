"""An HTTP connection on which a request has to come and its answer has to be read, or it is closed.

The gate gives a body its time, but it sees a request only once its head is whole; uvicorn waits for
that without end. Half a head a connection, and a stranger without a token would keep every file
descriptor there is. Nor may he fill the log: what is no request has a line in it now and then.
Without descriptors asyncio would write thousands of lines a second, so connections end before them.
Whoever does not read what he asked for would keep his answers and a connection, which cannot even
be closed before he has them.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_S = 10.0
READ_S = 30.0
SAY_EVERY_S = 10.0
BACKLOG = 1_024  # connections that may be taken at once, before one of them can be closed
MOST_FILES = 16_384


def make_room() -> int:
    """Let this process open as many files as it may; return how many can be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < files:  # 1,024 where nobody says otherwise
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files - min(BACKLOG + 100, files // 2)


class Seldom(logging.Filter):
    """Lets each warning through once in SAY_EVERY_S, and every error."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if record.levelno <= logging.WARNING and now < self._next.get(record.msg, now):
            return False
        self._next[record.msg] = now + SAY_EVERY_S
        return True


_log = logging.getLogger("uvicorn.error.connection")
_log.addFilter(Seldom())


class Connection(H11Protocol):
    """uvicorn's, which hangs up when HEAD_S after the first byte, or none, no head is complete.

    Between two requests nothing is sent, and uvicorn's own limit counts. It also hangs up on a peer
    who has taken nothing for READ_S of what there is for him.
    """

    most = 1_000  # connections at a time
    _closing: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.logger = _log

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # to be told of whatever the peer has not taken
        if len(self.connections) > self.most:
            self.logger.warning("no room for more connections")
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_be()
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._has_read()
        super().resume_writing()

    def _should_upgrade(self) -> bool:
        """Go on with HTTP, and write no line about it: any stranger may ask for more."""
        return False

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

    def _wait_for_reader(self, before: int | None = None) -> None:
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            self.transport.abort()
        else:
            self._reading = self.loop.call_later(READ_S, self._wait_for_reader, left)

    def _has_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
