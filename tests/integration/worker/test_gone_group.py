"""A stream or group that disappears under the workers: made again at 0, and nothing is skipped."""

from __future__ import annotations

import signal
import threading
from typing import Any

import msgspec
import pytest
import redis
from prometheus_client import CollectorRegistry

from dewey_logs import open_store
from godot.audit import GONE
from godot.errors import StreamLost
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.producers import ProducerInfo, announce
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Intake
from godot.worker.metrics import WorkerMetrics
from tests.integration.worker.conftest import Bench, eventually

ONCE = """
CREATE SEQUENCE tries;  -- which no rollback takes back
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') = 1 THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = '57P03';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def blocked(bench: Bench) -> bool:
    """Say whether some worker waits inside XREADGROUP for new entries of this stream."""
    return bench.redis.info("clients")["blocked_clients"] > 0


def test_a_group_destroyed_under_a_waiting_worker_is_made_again_at_the_beginning(
    bench: Bench, working, settings
):
    stream, group = settings.stream, settings.group
    first, second = bench.records(300), bench.records(200)
    with working(settings) as worker:
        bench.append(first)
        eventually(bench.settled, "the first records")
        eventually(lambda: blocked(bench), "the worker to wait")
        pipe = bench.redis.pipeline(transaction=True)  # nobody reads in between
        pipe.xgroup_destroy(stream, group)
        for record in second:
            pipe.xadd(stream, dict(record.fields()))
        pipe.execute()
        eventually(lambda: bench.stored() == 500, "what came while there was no group")
        eventually(bench.settled, "everything acknowledged")
        made = worker.registry.get_sample_value("godot_worker_group_recreated_total")
    assert made == 2, "at the start and after the loss"
    assert bench.sql("SELECT count(DISTINCT id) FROM logs") == [(500,)]
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates) == (500, 300)
    assert found.clean


def test_a_group_destroyed_with_entries_in_hand_loses_none_of_them(bench: Bench, working, settings):
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    with working(patient):
        with bench.commits_held():
            bench.append(bench.records(40))
            eventually(lambda: bench.committing() == 1, "the batch to be under way")
            bench.redis.xgroup_destroy(settings.stream, settings.group)
            bench.append(bench.records(40))
        eventually(lambda: bench.stored() == 80, "both halves")
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(DISTINCT id) FROM logs") == [(80,)]
    assert bench.audited().clean


def test_a_stream_gone_while_two_workers_wait_costs_only_what_it_held(
    bench: Bench, working, settings
):
    with working(settings), working(settings) as worker:
        bench.append(bench.records(100))
        eventually(bench.settled, "the first life")
        eventually(lambda: blocked(bench), "a worker to wait")
        bench.redis.delete(settings.stream)
        bench.append(bench.records(120))
        eventually(lambda: bench.stored() == 220, "the second life")
        eventually(bench.settled, "everything acknowledged")
        eventually(lambda: all(worker.ready().values()), "the worker to be well")
    assert bench.sql("SELECT count(DISTINCT id) FROM logs") == [(220,)]
    found = bench.audited()
    assert (found.total.lost, found.total.unaccounted) == (0, 0)


def test_the_first_batch_of_another_stream_tells_of_it_before_any_other_is_stored(
    bench: Bench, working, settings, monkeypatch
):
    """The other one counts more and was trimmed: that it was found gone is all that tells."""
    monkeypatch.setattr(StreamLost, "stream_is_gone", True)  # as Redis 7.0 says by UNBLOCKED
    small = msgspec.structs.replace(settings, batch_size=10, batch_max=10)
    other = Bench(msgspec.structs.replace(settings, stream=f"{settings.stream}:other"))
    with working(small):
        bench.append(bench.records(10))
        eventually(bench.settled, "the first life")
        eventually(lambda: blocked(bench), "the worker to wait")
        bench.change(ONCE)
        other.append(other.records(60))
        other.redis.xtrim(other.settings.stream, maxlen=40, approximate=False)
        pipe = bench.redis.pipeline(transaction=False)
        pipe.delete(settings.stream)
        pipe.rename(other.settings.stream, settings.stream)
        pipe.execute()
        eventually(lambda: bench.stored() == 50, "the second life")
        eventually(bench.settled, "everything acknowledged")
    other.redis.close()
    assert bench.sql("SELECT epoch FROM logs_streams") == [(2,)]
    found = bench.audited()
    assert (found.total.lost, found.total.unaccounted) == (20, 0)


@pytest.mark.parametrize("more", [30, 200])
def test_a_stream_that_was_deleted_before_anything_was_stored_is_lost_with_a_name(
    bench: Bench, working, settings, more: int
):
    """Nothing is left that tells of it but the numbers of a program that went on."""
    bench.append(bench.records(100))
    bench.redis.xtrim(settings.stream, maxlen=20, approximate=False)
    bench.redis.delete(settings.stream)
    bench.append(bench.records(more))
    sent = 100 + more
    info = ProducerInfo(
        bench.producer.number, sent, "shop", "box", 1, "0", "2026-11-01T00:00:00Z", 0
    )
    announce(bench.redis, settings.stream, info)
    with working(settings):
        eventually(bench.settled, "what is left")
    bench.redis.xtrim(settings.stream, maxlen=10, approximate=False)
    found = bench.audited()
    total = found.total
    assert (total.announced, total.stored, total.lost) == (sent, more, 100)
    assert (total.unaccounted, total.implausible) == (0, 0)
    assert [(one.first, one.last, one.cause) for one in found.ranges] == [(1, 100, GONE)]


@pytest.mark.parametrize(("new", "kept"), [(5, 5), (2, 1)])
def test_what_a_worker_had_in_hand_is_counted_to_the_stream_it_is_of(
    bench: Bench, spawn, settings, new: int, kept: int
):
    """Stopped while it waits, it is given the first ones of all, and goes on by a new stream."""
    stream = settings.stream
    worker = spawn()
    eventually(lambda: bench.consumers() == 1 and blocked(bench), "the worker to wait")
    worker.send_signal(signal.SIGSTOP)
    pipe = bench.redis.pipeline(transaction=True)
    for record in bench.records(3):
        pipe.xadd(stream, dict(record.fields()))
    pipe.execute()
    eventually(lambda: bench.pending() == 3, "entries on their way to the worker")
    bench.redis.delete(stream)
    bench.append(bench.records(new))
    bench.redis.xtrim(stream, maxlen=kept, approximate=False)
    worker.send_signal(signal.SIGCONT)
    eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert (found.total.stored, found.total.lost) == (3 + kept, new - kept)
    assert (found.entries.added, found.entries.settled) == (3 + new, 3 + kept)
    assert found.total.unaccounted == 0


@pytest.mark.parametrize("before", [0, 2])
def test_what_was_taken_over_is_counted_to_the_stream_it_is_of(
    bench: Bench, working, settings, before: int
):
    client = connect(settings)
    dead, heir = (Consumer(client, settings.stream, settings.group, n) for n in ("dead", "heir"))
    metrics = WorkerMetrics(CollectorRegistry(), settings.stream, settings.group)
    intake = Intake(settings, heir, metrics, threading.Event())
    dead.ensure_group()
    bench.append(bench.records(before))
    if before:
        with working(settings):
            eventually(bench.settled, "what a checkpoint is of")
    bench.append(bench.records(6))
    dead.release([entry.id for entry in dead.read_new(6, None)], 3_600_000)
    eventually(lambda: intake.sweep.due, "a sweep")
    reads, _ = intake.next()
    bench.redis.delete(settings.stream)
    with working(settings):
        eventually(lambda: bench.consumers() == 1, "a peer to make the stream again")
        bench.append(bench.records(5))
        eventually(bench.settled, "the second life")
    with (
        open_store(settings.dewey_url or "") as store,
        pipeline(settings, heir, store, Tally()) as settling,
    ):
        settling.settle(reads)
    close(client)
    found = bench.audited()
    assert (found.total.stored, found.entries.added, found.clean) == (
        before + 11,
        before + 11,
        True,
    )


def test_an_entry_of_a_stream_that_went_with_the_next_command_is_stored(
    bench: Bench, working, settings
):
    first, *rest = bench.records(3)
    with working(settings):
        bench.append(bench.records(3))
        eventually(bench.settled, "the first life")
        eventually(lambda: blocked(bench), "the worker to wait")
        seconds: Any = bench.redis.time()[0]
        pipe = bench.redis.pipeline(transaction=False)
        pipe.xadd(settings.stream, dict(first.fields()))
        pipe.delete(settings.stream)
        for record in rest:  # their ids are later than those before, as a millisecond makes them
            pipe.xadd(settings.stream, dict(record.fields()), id=f"{seconds + 2}000-*")
        pipe.execute()
        eventually(lambda: bench.stored() == 6, "both lives")
        eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert (found.entries.added, found.entries.settled, found.clean) == (6, 6, True)


def test_a_stream_that_disappears_again_and_again_never_stops_the_worker(
    bench: Bench, working, settings
):
    done = threading.Event()

    def destroy() -> None:
        with redis.Redis.from_url(settings.redis_url) as client:
            while not done.wait(0.05):
                client.delete(settings.stream)

    records = bench.records(30)
    enemy = threading.Thread(target=destroy)
    with working(settings) as worker:
        eventually(lambda: worker.ready()["redis"], "the worker to work")
        enemy.start()
        try:
            eventually(lambda: not worker.ready()["redis"], "the worker to meet it")
        finally:
            done.set()
            enemy.join()
        bench.append(records)
        eventually(lambda: bench.stored() == 30, "the records")
        eventually(bench.settled, "everything acknowledged")
