"""A record that goes the whole path every few seconds, and how far the newest one came.

Whatever stands still on the way, stream, workers or store, shows as a time that stands still. All
heartbeats of one process are one trace: an index finds the newest that is stored, however many
there are.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.metrics_core import Metric

from dewey_logs import LogFilter, Store
from dewey_logs.tools import gauges
from godot.delivery import Delivery
from godot.errors import GodotError
from godot.settings import Settings

COMPONENT = "godot.heartbeat"
LOOK_EVERY_S = 5.0


class Heartbeat:
    """A sight: appends a record of level TRACE when it is time, and looks for it in the store."""

    name = "heartbeat"
    every_s = LOOK_EVERY_S

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._delivery = Delivery(settings)
        self._trace_id = str(uuid.uuid4())
        self._beat_every_s = float(settings.heartbeat_s)
        self._clock = clock
        self._due = clock()
        self._emitted = self._stored = 0.0

    def look(self) -> None:
        """Emit what is due, then look for the newest; raises what stream or store raise."""
        try:
            if self._clock() >= self._due:
                self._emit()
                self._due = self._clock() + self._beat_every_s
        finally:
            self._seek()

    def _emit(self) -> None:
        beat = self._delivery.make(COMPONENT, "heartbeat", "TRACE", None, self._trace_id)
        try:
            self._delivery.send([beat])
        except GodotError:
            self._delivery.give_up()
            raise
        self._emitted = _seconds(beat.created_at)

    def _seek(self) -> None:
        newest = self._store.query(LogFilter(trace_id=self._trace_id, limit=1)).rows
        if newest:
            self._stored = _seconds(newest[0].created_at)

    def metrics(self) -> Iterator[Metric]:
        """Yield how far heartbeats came."""
        yield gauges(
            "godot_heartbeat_timestamp_seconds",
            "When the newest heartbeat that came so far was made; 0: none has yet.",
            "stage",
            {"emitted": self._emitted, "stored": self._stored},
        )

    def close(self) -> None:
        """Close the connection; the store is the server's."""
        self._delivery.close()


def _seconds(created_at: str) -> float:
    return datetime.fromisoformat(created_at).timestamp()
