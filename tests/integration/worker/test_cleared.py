"""Records that were cleared and are delivered again: they stay away, and have their place."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from dewey_logs import LogFilter, open_store
from dewey_logs.maintenance import verify
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Intake, Read
from godot.worker.metrics import WorkerMetrics
from tests.integration.worker.conftest import Bench, eventually


def clear(bench: Bench) -> int:
    with open_store(bench.settings.dewey_url or "") as store:
        return store.clear(LogFilter(component=("test",)), asked_by="a test").records


@pytest.fixture
def dead_worker(bench: Bench, settings):
    """A worker that takes entries, and perhaps stores them, and then acknowledges nothing."""
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "dead:1:x")
    consumer.ensure_group()
    yield consumer
    close(client)


@pytest.mark.parametrize("stored", [True, False])
def test_what_a_dead_worker_left_does_not_come_back(
    bench: Bench, working, settings, dead_worker, stored
):
    bench.append(bench.records(20))
    entries = dead_worker.read_new(20, None)
    if stored:
        with (
            open_store(settings.dewey_url) as store,
            pipeline(settings, dead_worker, store, Tally()) as settling,
        ):
            settling.settle([Read(entries, again=False)], acknowledge=False)
    assert clear(bench) == (20 if stored else 0)
    dead_worker.release([entry.id for entry in entries], 3_600_000, 1)
    bench.append(bench.records(5))
    with working(settings):
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*) FROM logs WHERE component = 'test'") == [(5,)]
    found = bench.audited()
    assert (found.total.stored, found.total.cleared) == ((25, 0) if stored else (5, 20))
    assert found.clean
    assert list(verify(settings.dewey_url)) == []


def test_a_group_that_begins_anew_brings_nothing_back(bench: Bench, working, settings):
    bench.append(bench.records(50))
    with working(settings):
        eventually(bench.settled, "the first records")
    assert clear(bench) == 50
    bench.append(bench.records(10))
    bench.redis.xgroup_destroy(settings.stream, settings.group)
    with working(settings):
        eventually(bench.settled, "everything acknowledged once more")
    assert bench.sql("SELECT count(*) FROM logs WHERE component = 'test'") == [(10,)]
    found = bench.audited()
    assert (found.total.stored, found.clean) == (60, True)


def test_a_worker_that_was_stopped_with_them_brings_nothing_back(
    bench: Bench, settings, dead_worker
):
    """It was given them as new ones; a peer took them over and stored them meanwhile."""
    bench.append(bench.records(20))
    entries = dead_worker.read_new(20, None)
    with (
        open_store(settings.dewey_url) as store,
        pipeline(settings, dead_worker, store, Tally()) as settling,
    ):
        settling.settle([Read(entries, again=True)], acknowledge=False)
        assert clear(bench) == 20
        settling.settle([Read(entries, asked_at=time.monotonic() - 3_600)])
    assert bench.sql("SELECT count(*) FROM logs WHERE component = 'test'") == [(0,)]
    found = bench.audited()
    assert (found.total.stored, found.total.cleared, found.clean) == (20, 0, True)


def test_a_worker_knows_since_when_it_may_have_what_it_read(bench: Bench, settings, dead_worker):
    metrics = WorkerMetrics(CollectorRegistry(), settings.stream, settings.group)
    small = msgspec.structs.replace(settings, batch_size=10, batch_max=10, reclaim_idle_ms=10**12)
    intake = Intake(small, dead_worker, metrics, threading.Event())
    bench.append(bench.records(25))
    began = time.monotonic()
    first, _ = intake.next()
    asked = time.monotonic()
    second, _ = intake.next()
    third, _ = intake.next()
    (one,), (two,), (three,) = first, second, third
    assert [len(read.entries) for read in (one, two, three)] == [10, 10, 5]
    times = [read.asked_at or 0.0 for read in (one, two, three)]
    assert began <= times[0] <= times[1] <= asked <= times[2]
