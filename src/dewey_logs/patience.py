"""A connection that waits for no answer for ever.

PostgreSQL ends a slow statement, and the kernel a dead connection. But where the kernel at the
other end, or a box in between, still acknowledges what is sent while no answer comes, neither is
any help. So a wait has an end here: the socket is shut, and libpq finds the connection lost as it
would find any other. That is seen within a tenth of a second, and costs a microsecond a wait.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import Ready

RV = TypeVar("RV")

_log = logging.getLogger("dewey_logs.patience")


def beyond(limit_ms: float) -> float:
    """Return the seconds after which no statement with that limit can be at work any more."""
    return 2 * limit_ms / 1000 + 1


class PatientConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every wait ends after `patience_s`; None: never.

    Another thread may change that, also for the wait that is going on.
    """

    patience_s: float | None = None
    ran_out = False  # of its patience, unless somebody took that away

    def wait(self, gen: PQGen[RV], *more: Any, **named: Any) -> RV:
        return super().wait(self._patiently(gen), *more, **named)

    def _patiently(self, gen: PQGen[RV]) -> PQGen[RV]:
        """Run psycopg's own exchange with the server, which is told now and then of no progress."""
        since = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE and self.patience_s is not None:
                    silent_s = time.monotonic() - since
                    if silent_s >= self.patience_s:
                        self._shut(silent_s)
                wanted = gen.send(ready)
        except StopIteration as end:
            found: RV = end.value
            return found

    def _shut(self, silent_s: float) -> None:
        _log.warning(
            "no answer from PostgreSQL, hanging up",
            extra={"action": "hang_up", "seconds": round(silent_s, 1)},
        )
        self.ran_out = bool(self.patience_s)
        with suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as shared:
            shared.shutdown(socket.SHUT_RDWR)
