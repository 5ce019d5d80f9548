"""What a worker does beside its batches: makes room, buries the dead, forgets the silent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from dewey_logs import DeweyError, Store
from godot.logs import get_logger
from godot.stream import pressure, producers
from godot.stream.group import Consumer
from godot.worker.metrics import WorkerMetrics

log = get_logger(__name__)

PRESSURE_EVERY_S = 1.0
BURY_EVERY_S = 600.0
DEAD_AFTER_MS = 24 * 3_600_000
FORGET_EVERY_S = 600.0
SILENT_S = 24 * 3_600.0


class Housekeeping:
    """Small duties, each on a timer of its own."""

    def __init__(
        self,
        consumer: Consumer,
        metrics: WorkerMetrics,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._consumer = consumer
        self._metrics = metrics
        self._store = store
        self._clock = clock
        self._pressure_due = 0.0
        self._bury_due = 0.0
        # not at every start, nor all workers at once: the question reads the whole ledger
        self._forget_due = clock() + jitter(0.0, FORGET_EVERY_S)

    def attend(self) -> None:
        """Do what is due; raises StreamUnavailable like any other use of Redis."""
        self.relieve()
        now = self._clock()
        if now >= self._bury_due:
            self._bury_due = now + BURY_EVERY_S
            buried = self._consumer.bury(DEAD_AFTER_MS)
            if buried:
                log.info("dead consumers deleted", extra={"action": "bury", "consumers": buried})
        if now >= self._forget_due:
            self._forget_due = now + FORGET_EVERY_S
            self._forget_silent()

    def relieve(self) -> None:
        """Make room in Redis if that is due: the one duty that cannot wait for the store."""
        now = self._clock()
        if now >= self._pressure_due:
            self._pressure_due = now + PRESSURE_EVERY_S
            self._make_room()

    def _forget_silent(self) -> None:
        """Remove who was silent for a day and owes nothing: the hash grows by a field a process.

        Whoever lost something stays, because for numbers at the end nothing else bears witness.
        """
        client, stream = self._consumer.client, self._consumer.stream
        announced = {info.producer: info for info in producers.read(client, stream)[0]}
        if not announced:
            return
        sent = {producer: info.sent_sequence for producer, info in announced.items()}
        try:
            silent = self._store.balanced_producers(stream, sent, SILENT_S)
        except DeweyError:
            return  # the next time will do
        forgotten = producers.forget(client, stream, [announced[one] for one in silent])
        if forgotten:
            log.info(
                "silent producers forgotten", extra={"action": "forget", "producers": forgotten}
            )

    def _make_room(self) -> None:
        client = self._consumer.client
        high = pressure.is_high(client)
        if high is None:
            high = self._consumer.refuses_memory()
        if not high:
            return
        trimmed = pressure.trim_settled(client, self._consumer.stream, self._consumer.group)
        if trimmed:
            self._metrics.made_room.inc(trimmed)
            log.warning(
                "Redis is nearly full, settled entries removed",
                extra={"action": "make_room", "entries": trimmed},
            )
