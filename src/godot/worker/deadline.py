"""The end of a worker's patience: told to stop, it waits so long for PostgreSQL and no longer.

Whoever waits for an answer cannot look at the clock meanwhile. That is the thread that stores, and
now and then the one that reads: it asks the store, too. So a thread of its own does, for both.
"""

from __future__ import annotations

import threading
from typing import Protocol

TICK_S = 0.2


class Waited(Protocol):
    """What is waited for; see dewey_logs.Store."""

    def hang_up(self) -> None: ...


class Deadline:
    """Hangs up on the store once `timeout_s` have passed since `stop` was set, until closed."""

    def __init__(self, store: Waited, stop: threading.Event, timeout_s: float) -> None:
        self._store = store
        self._stop = stop
        self._timeout_s = timeout_s
        self._passed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadline", daemon=True)
        self._thread.start()

    def passed(self) -> bool:
        """Say whether the worker was told to stop, and longer ago than it may take."""
        return self._passed.is_set()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._closing.wait(TICK_S):
                return
        wait_s = self._timeout_s
        while not self._closing.wait(wait_s):
            self._passed.set()  # before: who is hung up on asks at once whether to try again
            self._store.hang_up()
            wait_s = TICK_S  # one that is made anew has its own patience
