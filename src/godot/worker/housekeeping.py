"""What a worker does beside its batches: make room in a full Redis, bury dead consumers."""

from __future__ import annotations

import time
from collections.abc import Callable

from godot.logs import get_logger
from godot.stream import pressure
from godot.stream.group import Consumer
from godot.worker.metrics import WorkerMetrics

log = get_logger(__name__)

PRESSURE_EVERY_S = 1.0
BURY_EVERY_S = 600.0
DEAD_AFTER_MS = 24 * 3_600_000


class Housekeeping:
    """Small duties, each on a timer of its own."""

    def __init__(
        self,
        consumer: Consumer,
        metrics: WorkerMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._metrics = metrics
        self._clock = clock
        self._pressure_due = 0.0
        self._bury_due = 0.0

    def attend(self) -> None:
        """Do what is due; raises StreamUnavailable like any other use of Redis."""
        now = self._clock()
        if now >= self._pressure_due:
            self._pressure_due = now + PRESSURE_EVERY_S
            self._make_room()
        if now >= self._bury_due:
            self._bury_due = now + BURY_EVERY_S
            buried = self._consumer.bury(DEAD_AFTER_MS)
            if buried:
                log.info("dead consumers deleted", extra={"action": "bury", "consumers": buried})

    def _make_room(self) -> None:
        client = self._consumer.client
        if not pressure.is_high(client):
            return
        trimmed = pressure.trim_settled(client, self._consumer.stream)
        if trimmed:
            self._metrics.made_room.inc(trimmed)
            log.warning(
                "Redis is nearly full, settled entries removed",
                extra={"action": "make_room", "entries": trimmed},
            )
