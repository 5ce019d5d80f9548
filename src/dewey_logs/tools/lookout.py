"""Metrics of what lies outside of the process, looked at on threads of their own.

A scrape gives what the last look found and asks nobody, so it takes the same few milliseconds
however large the store is, and while a server that it tells of does not answer at all. That costs
a few seconds of age, and a look now and then that nobody wanted.

A look that fails in a way nobody foresaw is tried again like any other, and until then nothing is
told of its sight: numbers that stand still would look like a quiet night.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)


class Sight(Protocol):
    """What can be looked at. `look` may take its time, and raise; `metrics` tells what is known.

    `close` lets go of what looking took.
    """

    name: str
    every_s: float

    def look(self) -> None: ...

    def metrics(self) -> Iterable[Metric]: ...

    def close(self) -> None: ...


class Lookout(Collector):
    """Looks at each sight now and then while it is entered; `errors` are what looks may raise."""

    def __init__(
        self,
        registry: CollectorRegistry,
        sights: Sequence[Sight],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._sights = sights
        self._errors = errors
        self._unforeseen: set[str] = set()  # sights whose last look failed so
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"look-{one.name}", daemon=True)
            for one in sights
        ]
        self._seconds = Gauge(
            "godot_collector_duration_seconds",
            "What the last look took; 0: none has ended yet.",
            ("collector",),
            registry=registry,
        )
        self._succeeded = Gauge(
            "godot_collector_last_success_timestamp_seconds",
            "When a look last found what it looked for; 0: not since this process started.",
            ("collector",),
            registry=registry,
        )
        self._failed = Counter(
            "godot_collector_errors",
            "Looks that failed, most often because a server was away.",
            ("collector",),
            registry=registry,
        )
        for one in sights:
            self._seconds.labels(one.name)
            self._succeeded.labels(one.name)
            self._failed.labels(one.name)
        registry.register(self)

    @property
    def sights(self) -> Sequence[Sight]:
        """What is looked at."""
        return self._sights

    def describe(self) -> Iterator[Metric]:
        """Name nothing: which metrics there are is known after the first look."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield what is known of every sight."""
        for one in self._sights:
            if one.name not in self._unforeseen:
                yield from one.metrics()

    def look(self, sight: Sight) -> None:
        """Look once, on the caller's thread."""
        began = time.perf_counter()
        try:
            sight.look()
        except self._errors:
            self._failed.labels(sight.name).inc()
        else:
            self._succeeded.labels(sight.name).set(time.time())
        self._unforeseen.discard(sight.name)
        self._seconds.labels(sight.name).set(time.perf_counter() - began)

    def _run(self, sight: Sight) -> None:
        while not self._stop.is_set():
            try:
                self.look(sight)
            except Exception:
                self._unforeseen.add(sight.name)
                self._failed.labels(sight.name).inc()
                log.exception("look failed", extra={"action": "look", "collector": sight.name})
            self._stop.wait(sight.every_s)

    def __enter__(self) -> Lookout:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for sight, thread in zip(self._sights, self._threads, strict=True):
            thread.join(0.5)
            if not thread.is_alive():  # else it waits for a server, and ends with the process
                sight.close()


def gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    """Return a gauge of one sample."""
    made = Metric(name, text, "gauge")
    made.add_sample(name, labels, value)
    return made


def gauges(name: str, text: str, label: str, values: Mapping[str, float], **labels: str) -> Metric:
    """Return a gauge of one sample for each value of a label, beside labels that all have."""
    made = Metric(name, text, "gauge")
    for one, value in values.items():
        made.add_sample(name, {**labels, label: one}, value)
    return made


def counter(name: str, text: str, value: float, **labels: str) -> Metric:
    """Return a counter of one sample; `name` does without `_total`."""
    made = Metric(name, text, "counter")
    made.add_sample(f"{name}_total", labels, value)
    return made
