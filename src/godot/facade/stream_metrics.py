"""The stream's own metrics, from the one role that keeps running when every worker is gone.

Asked anew by each scrape, but not more often than every few seconds. The rate is that since the
look before; `+Inf` seconds mean that nothing is in sight.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from godot import snapshot
from godot.settings import Settings
from godot.snapshot import Snapshot
from godot.stream.rate import buffer_seconds, loss_in_seconds
from godot.stream.snapshot import StreamSnapshot

LOOK_EVERY_S = 5.0


class StreamCollector(Collector):
    """Gives what the last look at stream and group found; nothing but its absence without Redis."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._due = 0.0
        self._look: Snapshot | None = None

    def describe(self) -> Iterator[Metric]:
        """Name nothing: registering must not wait for Redis."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of now."""
        with self._lock:
            if self._look is None or self._clock() >= self._due:
                self._look = snapshot.take(
                    self._settings, self._look, once=True, without_store=True, clock=self._clock
                )
                self._due = self._clock() + LOOK_EVERY_S
            look = self._look
        up = GaugeMetricFamily(
            "godot_component_up", "1 while the component answers.", labels=["component"]
        )
        up.add_metric(["redis"], float(look.stream is not None))
        yield up
        if look.stream is not None:
            yield from _of_stream(look, look.stream)
            yield from _of_group(look.stream)


def _gauge(name: str, text: str, labels: dict[str, str], value: float) -> Metric:
    made = GaugeMetricFamily(f"godot_{name}", text, labels=list(labels))
    made.add_metric(list(labels.values()), value)
    return made


def _of_stream(found: Snapshot, look: StreamSnapshot) -> Iterator[Metric]:
    labels = {"stream": look.stream}
    added = CounterMetricFamily(
        "godot_stream_added_entries", "Entries ever added to the stream.", labels=list(labels)
    )
    added.add_metric(list(labels.values()), look.added)
    yield added
    gauges: list[tuple[str, str, float]] = [
        ("entries", "Entries in the stream.", look.entries),
        ("limit_entries", "Entries the stream is trimmed to.", look.limit),
        ("backlog_entries", "Entries that are not settled, at most.", look.backlog),
        ("fill_ratio", "How full: of entries or of memory, whichever is higher.", look.fill_ratio),
    ]
    if found.rate is not None:
        holds = buffer_seconds(look.room, found.rate)
        loss = loss_in_seconds(look.room, look.limit, found.rate)
        gauges += [
            (
                "buffer_seconds",
                "For how long the stream holds if nothing is read any more.",
                math.inf if holds is None else holds,
            ),
            (
                "loss_in_seconds",
                "When trimming reaches unread entries, as things go.",
                math.inf if loss is None else loss,
            ),
        ]
    for name, text, value in gauges:
        yield _gauge(f"stream_{name}", text, labels, value)


def _of_group(look: StreamSnapshot) -> Iterator[Metric]:
    group = look.group
    labels = {"stream": look.stream, "group": group.name}
    pending = "Entries delivered and not acknowledged."
    yield _gauge("group_pending_entries", pending, labels, group.pending)
    yield _gauge("group_consumers", "Consumers of the group.", labels, len(group.consumers))
    for name, since_ms in (
        ("undelivered", group.undelivered_since_ms),
        ("pending", group.pending_since_ms),
    ):
        if since_ms is not None:
            text = f"When the oldest {name} entry was added; absent when there is none."
            yield _gauge(f"group_oldest_{name}_timestamp_seconds", text, labels, since_ms / 1000)
