"""Giving a question up: what nobody waits for any more should not keep PostgreSQL busy.

The thread that asks cannot be interrupted, its statement can. Which questions belong together goes
with the context, so that nothing between the caller and the pool has to pass it on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

import psycopg

from dewey_logs.database import Connection
from dewey_logs.errors import QueryTimeout

CANCEL_TIMEOUT_S = 2.0
AGAIN_S = 0.05

_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class Cancellation:
    """Cancels what is being asked in a context, and everything that it would ask next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self.cancelled = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this the context's cancellation; threads that inherit the context heed it."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def cancel(self) -> None:
        """Cancel, from any thread; blocks until the question has ended, for two seconds at most.

        Told more than once: a statement that begins at this moment would not notice the first time.
        """
        self.cancelled = True
        until = time.monotonic() + CANCEL_TIMEOUT_S
        while time.monotonic() < until:
            with self._lock:  # so that the connection is not given back, and to another, meanwhile
                if self._connection is None:
                    return
                with suppress(psycopg.Error):  # then it is away; a statement has a time limit
                    self._connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            time.sleep(AGAIN_S)

    def over(self, connection: Connection | None) -> None:
        with self._lock:
            self._connection = connection


@contextmanager
def watched(connection: Connection) -> Iterator[None]:
    """Let the context's cancellation reach the statements of this connection.

    Raises QueryTimeout when it came while the connection was waited for.
    """
    cancellation = _current.get()
    if cancellation is None:
        yield
        return
    cancellation.over(connection)
    try:
        give_up_if_cancelled()
        yield
    finally:
        cancellation.over(None)


def give_up_if_cancelled() -> None:
    """Raise QueryTimeout when nobody waits for an answer any more."""
    cancellation = _current.get()
    if cancellation is not None and cancellation.cancelled:
        raise QueryTimeout("the caller has given this query up")
