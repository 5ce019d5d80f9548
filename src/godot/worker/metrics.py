"""What a worker counts about itself; every label value exists, at zero, from the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dewey_logs import Batch, WriteResult
from godot.worker.breaker import Breaker

STAGES = ("read", "decode", "write", "ack")
OUTCOMES = ("stored", "duplicate", "rejected", "expired", "cleared")
BACKENDS = ("redis", "store")
STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
DELAY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class WorkerMetrics:
    """The worker's counters on a registry of their own; those of entries name stream and group."""

    def __init__(self, registry: CollectorRegistry, stream: str, group: str) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"godot_worker_{name}", text, labels, registry=registry)

        def entries(name: str, text: str) -> Counter:
            return counter(f"{name}_entries", text, "stream", "group").labels(stream, group)

        self._read = entries("read", "Entries delivered for the first time.")
        self._reclaimed = entries("reclaimed", "Entries taken over from other consumers.")
        self._trimmed = entries("trimmed", "Pending entries whose payload was trimmed.")
        self._acked = entries("acked", "Entries acknowledged after their commit.")
        self._ack_missing = entries(
            "ack_missing", "Entries a peer had settled or purged before we acknowledged."
        )
        self._records = counter("records", "Records by what became of them.", "outcome")
        self._errors = counter("errors", "Failures by stage.", "stage")
        self.group_recreated = counter(
            "group_recreated", "Times the group had to be made, the first one included."
        )
        self.made_room = counter(
            "made_room_entries", "Settled entries removed because Redis was nearly full."
        )
        self._seconds = Histogram(
            "godot_worker_stage_duration_seconds",
            "Time spent in each stage of a batch.",
            ("stage",),
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._batch = Histogram(
            "godot_worker_batch_records",
            "Records in one transaction.",
            buckets=(1, 5, 10, 25, 50, 100, 250, 500, 1000),
            registry=registry,
        )
        self._delay = Histogram(
            "godot_ingest_delay_seconds",
            "From an entry's arrival in the stream to its commit, for the oldest of each batch.",
            buckets=DELAY_BUCKETS,
            registry=registry,
        )
        self.inflight = Gauge(
            "godot_worker_inflight_records", "Records read and not settled.", registry=registry
        )
        self._last_commit = Gauge(
            "godot_worker_last_commit_timestamp_seconds",
            "When the last batch was committed; 0: none since this process started.",
            registry=registry,
        )
        self.at_once = Gauge(
            "godot_worker_at_once_records",
            "Records written in one transaction at most: fewer while the store is slow.",
            registry=registry,
        )
        self._breaker = Gauge(
            "godot_worker_breaker_open",
            "1 while the store is away and reading stops.",
            registry=registry,
        )
        for stage in STAGES:
            self._errors.labels(stage)
            self._seconds.labels(stage)
        for outcome in OUTCOMES:
            self._records.labels(outcome)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; a failure in it is counted and passes on."""
        start = time.perf_counter()
        try:
            yield
        except BaseException:
            self._errors.labels(name).inc()
            raise
        self._seconds.labels(name).observe(time.perf_counter() - start)

    def read(self, entries: int) -> None:
        self._read.inc(entries)

    def reclaimed(self, entries: int) -> None:
        self._reclaimed.inc(entries)

    def committed(self, batch: Batch, result: WriteResult) -> None:
        now = time.time()
        self._trimmed.inc(sum(run.delivery == "vanished" for run in batch.runs))
        self._batch.observe(len(batch.rows) + len(batch.rejects))
        self._last_commit.set(now)
        for outcome, n in zip(
            OUTCOMES,
            (
                result.stored,
                result.duplicates,
                len(result.rejects),
                result.expired,
                result.cleared,
            ),
            strict=True,
        ):
            self._records.labels(outcome).inc(n)
        if batch.rows and batch.runs:
            oldest_ms = min(run.first[0] for run in batch.runs)
            self._delay.observe(max(0.0, now - oldest_ms / 1e3))

    def acked(self, asked: int, done: int) -> None:
        self._acked.inc(done)
        self._ack_missing.inc(asked - done)

    def store_failed(self, breaker: Breaker) -> None:
        self._breaker.set(1 if breaker.open else 0)

    def store_worked(self) -> None:
        self._breaker.set(0)


class Reached(Collector):
    """What the worker reaches, told by what it did last; asks nobody."""

    def __init__(self, ready: Callable[[], Mapping[str, bool]]) -> None:
        self._ready = ready

    def describe(self) -> Iterator[Metric]:
        """Name nothing: there is no need to ask before the first scrape."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield a sample for each server behind the worker."""
        found = self._ready()
        up = GaugeMetricFamily(
            "godot_backend_up", "1 while the server answers this process.", labels=["backend"]
        )
        for name in BACKENDS:
            up.add_metric([name], float(found[name]))
        yield up
