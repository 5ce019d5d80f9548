"""Clocks that are wrong: the server's, the machine's, and what a stuck entry id does."""

from __future__ import annotations

import itertools
import time

import pytest
from prometheus_client import CollectorRegistry

from dewey_logs import open_store
from godot import replay
from godot.stream import snapshot
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.ids import END, ZERO
from godot.stream.reclaim import Sweep
from godot.worker.housekeeping import BURY_EVERY_S, Housekeeping
from godot.worker.metrics import WorkerMetrics
from tests.integration.worker.conftest import Bench, eventually


@pytest.mark.parametrize("days_ahead", [1, 12, 40, 4_000_000])  # at last beyond the year 9999
def test_entry_ids_stuck_in_the_future_are_stored_and_accounted_for(
    bench: Bench, working, settings, days_ahead
):
    """After a clock that was ahead, every later id has its time and only the sequence rises."""
    future = int((time.time() + days_ahead * 86_400) * 1000)
    bench.append(bench.records(10))
    (record,) = bench.records(1)
    bench.redis.xadd(settings.stream, dict(record.fields()), id=f"{future}-0")
    with working(settings):
        bench.append(bench.records(500))
        eventually(bench.settled, "everything settled")
        bench.append(bench.records(500))
        eventually(bench.settled, "everything settled again")
    last = bench.redis.xinfo_stream(settings.stream)["last-generated-id"]
    assert last == f"{future}-1000".encode()
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(1_011, 1_011)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    bench.append(bench.records(7))
    found = bench.audited()
    assert (found.total.stored, found.total.in_stream, found.clean) == (1_011, 7, True)
    bench.redis.xtrim(settings.stream, maxlen=3, approximate=False)
    found = bench.audited()
    assert (found.total.lost, found.total.unaccounted) == (4, 0)


def test_the_last_id_that_there_can_be_hides_nothing(bench: Bench, working, settings):
    bench.append(bench.records(3))
    bench.redis.xadd(
        settings.stream, {"component": "c", "level": "INFO", "message": "m"}, id=str(END)
    )
    client = connect(settings)
    dead = Consumer(client, settings.stream, settings.group, "dead:1:x")
    dead.ensure_group()
    dead.release([entry.id for entry in dead.read_new(4, None)], 3_600_000)
    close(client)
    assert replay.measure(settings, ZERO, None).entries == 4
    assert (bench.audited().total.in_stream, snapshot.take(settings).group.undelivered) == (3, 0)
    with working(settings):
        eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert (found.total.stored, found.entries.settled, found.clean) == (3, 4, True)


def test_a_machine_whose_clock_jumps_by_weeks_changes_nothing(
    bench: Bench, working, settings, monkeypatch
):
    records = bench.records(360)
    jumps = itertools.cycle([0, 40 * 86_400, -40 * 86_400])
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(jumps))
    with working(settings) as worker:
        for start in range(0, 360, 90):
            bench.append(records[start : start + 90])
            eventually(bench.settled, "everything settled")
        assert all(worker.ready().values())
        reclaimed = worker.registry.get_sample_value(
            "godot_worker_reclaimed_entries_total",
            {"stream": settings.stream, "group": settings.group},
        )
    assert reclaimed == 0
    assert bench.stored() == 360
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.clean) == (360, 0, True)


def test_sweeps_are_due_by_the_clock_they_are_given(bench: Bench, settings):
    clock = [1_000.0]
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "a:1:x")
    consumer.ensure_group()
    sweep = Sweep(
        consumer,
        min_idle_ms=60_000,
        max_deliveries=5,
        clock=lambda: clock[0],
        jitter=lambda low, high: high,
    )
    due = []
    for later in (0.0, 15.0):
        clock[0] += later
        due.append(sweep.due)
    sweep.page(10)
    for later in (0.0, 18.7, 0.1):
        clock[0] += later
        due.append(sweep.due)
    assert due == [False, True, False, False, True]
    close(client)


def test_the_dead_are_buried_by_the_clock_that_housekeeping_is_given(bench: Bench, settings):
    class Counting(Consumer):
        looks = 0

        def bury(self, idle_ms: int) -> int:
            self.looks += 1
            return super().bury(idle_ms)

    clock = [5.0]
    client = connect(settings)
    consumer = Counting(client, settings.stream, settings.group, "a:1:x")
    consumer.ensure_group()
    counts = WorkerMetrics(CollectorRegistry(), settings.stream, settings.group)
    store = open_store(settings.dewey_url)
    duties = Housekeeping(consumer, counts, store, lambda: clock[0])
    looks = []
    for later in (0.0, 1.0, BURY_EVERY_S - 1.5, 1.0):
        clock[0] += later
        duties.attend()
        looks.append(consumer.looks)
    assert looks == [1, 1, 1, 2]
    close(client)
