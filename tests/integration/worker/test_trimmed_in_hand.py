"""Entries whose payload is trimmed while somebody has them: who has stored them decides."""

from __future__ import annotations

import msgspec
import pytest

from dewey_logs import open_store
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.reclaim import Sweep
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Read
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def dead(bench: Bench, settings):
    """A consumer that takes entries and is never heard of again."""
    client = connect(settings)
    found = Consumer(client, settings.stream, settings.group, "dead:1:x")
    found.ensure_group()
    yield found
    close(client)


def trim(bench: Bench, keep: int) -> None:
    bench.redis.xtrim(bench.settings.stream, maxlen=keep, approximate=False)


def counted(worker, name: str) -> float:
    labels = {"stream": worker.settings.stream, "group": worker.settings.group}
    found = worker.registry.get_sample_value(f"godot_worker_{name}_total", labels)
    assert found is not None
    return float(found)


def test_what_nobody_had_stored_is_a_loss_with_a_name(bench: Bench, working, settings, dead):
    bench.append(bench.records(10))
    assert len(dead.read_new(10, None)) == 10
    trim(bench, 4)
    with working(settings) as worker:
        eventually(bench.settled, "the pending list to be empty")
        assert counted(worker, "trimmed_entries") == 6
    found = bench.audited()
    assert (found.total.stored, found.total.lost, found.total.unaccounted) == (4, 6, 0)
    assert found.entries.lost_while_pending == 6
    ((first, last, cause),) = [(r.first, r.last, r.cause) for r in found.ranges]
    assert (first, last, cause) == (1, 6, "trimmed while pending")


def test_what_another_worker_had_stored_is_no_loss(bench: Bench, working, settings, dead):
    bench.append(bench.records(10))
    with (
        open_store(settings.dewey_url) as store,
        pipeline(settings, dead, store, Tally()) as dying,
    ):
        dying.settle([Read(dead.read_new(10, None))], acknowledge=False)  # and dies before XACK
    trim(bench, 4)
    with working(settings) as worker:
        eventually(bench.settled, "the pending list to be empty")
        assert counted(worker, "trimmed_entries") == 6
    assert bench.stored() == 10
    found = bench.audited()
    assert (found.total.stored, found.clean) == (10, True)
    assert (found.total.duplicates, found.entries.lost_while_pending) == (4, 0)


def test_a_worker_stores_what_it_has_in_hand_though_a_peer_struck_it_off_the_list(
    bench: Bench, working, settings
):
    """A sweep purges trimmed ids however fresh they are, and enters them as vanished."""
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    with working(patient) as holder:
        bench.append(bench.records(5))  # a stream's first batch would hold up every other one
        eventually(bench.settled, "the path to work")
        with bench.commits_held():
            bench.append(bench.records(20))
            eventually(lambda: bench.committing() == 1, "the batch to be in hand")
            trim(bench, 0)
            with working(settings) as peer:
                eventually(lambda: counted(peer, "trimmed_entries") == 20, "the peer's sweep")
            assert bench.pending() == 0
        eventually(lambda: bench.stored() == 25, "the batch")
        eventually(lambda: counted(holder, "ack_missing_entries") == 20, "an XACK of nothing")
    found = bench.audited()
    assert (found.total.stored, found.clean) == (25, True)
    assert found.entries.lost_while_pending == 0


def test_a_batch_that_takes_longer_than_the_reclaim_time_stays_with_its_worker(
    bench: Bench, working, settings
):
    client = connect(settings)
    peer = Consumer(client, settings.stream, settings.group, "peer:1:x")
    slow = msgspec.structs.replace(settings, reclaim_idle_ms=6_000)  # beats every third of it
    sweep = Sweep(peer, min_idle_ms=slow.reclaim_idle_ms, max_deliveries=5)

    def server_ms() -> int:
        seconds, micros = bench.redis.time()
        return seconds * 1000 + micros // 1000

    def long_over() -> bool:
        assert sweep.page(100).entries == []
        return server_ms() > taken_ms + 2 * slow.reclaim_idle_ms

    with working(slow):
        with bench.commits_held():
            bench.append(bench.records(20))
            eventually(lambda: bench.pending() == 20, "the batch to be in hand")
            taken_ms = server_ms()
            eventually(long_over, "twice the reclaim time to pass")
        eventually(bench.settled, "everything acknowledged")
    close(client)
    assert bench.stored() == 20
    assert bench.sql("SELECT DISTINCT delivery FROM logs_ledger_entries") == [("new",)]
