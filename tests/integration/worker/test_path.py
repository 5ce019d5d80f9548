"""From the stream to the table, and what happens when somebody dies on the way."""

from __future__ import annotations

import signal

import msgspec

from godot.stream.connection import connect
from godot.stream.group import Consumer
from godot.stream.snapshot import take
from tests.integration.worker.conftest import eventually


def test_appended_records_are_stored_once_and_acknowledged(bench, working, settings):
    bench.append(bench.records(2_500))
    with working(settings):
        eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 2_500
    assert bench.sql("SELECT count(DISTINCT data->>'i') FROM logs") == [(2_500,)]
    assert take(settings).group.consumers == ()


def test_the_ledger_says_what_became_of_every_sequence_number(bench, working, settings):
    bench.append(bench.records(1_234))
    with working(msgspec.structs.replace(settings, reclaim_idle_ms=60_000)):  # however busy we are
        eventually(bench.settled, "everything acknowledged")
    stored = bench.sql(
        "SELECT producer, range_agg(seqs)::text FROM logs_ledger WHERE kind = 'stored' GROUP BY 1"
    )
    assert stored == [(bench.producer.number, "{[1,1235)}")]
    assert bench.sql("SELECT delivery, sum(n) FROM logs_ledger_entries GROUP BY 1") == [
        ("new", 1_234)
    ]


def test_a_worker_killed_in_the_middle_of_a_drain_loses_and_doubles_nothing(bench, spawn):
    bench.append(bench.records(20_000))
    first = spawn()
    eventually(lambda: bench.stored() > 2_000, "the first worker to be well on its way")
    first.kill()
    first.wait(60)
    assert not bench.settled()
    spawn()
    eventually(bench.settled, "the second worker to finish")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(20_000, 20_000)]


def test_sigterm_finishes_the_batch_and_leaves_nothing_behind(bench, spawn, settings):
    bench.append(bench.records(5_000))
    worker = spawn(GODOT_RECLAIM_IDLE_MS="60000")  # however busy we are: it gives back what is old
    eventually(lambda: bench.stored() > 0, "the first commit")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert bench.pending() == 0
    assert take(settings).group.consumers == ()
    spawn()
    eventually(bench.settled, "the rest")
    assert bench.stored() == 5_000


def test_what_a_dead_worker_left_is_reclaimed(bench, working, settings):
    bench.append(bench.records(300))
    client = connect(settings)
    dead = Consumer(client, settings.stream, settings.group, "dead:1:x")
    dead.ensure_group()
    assert len(dead.read_new(200, None)) == 200
    with working(settings):
        eventually(bench.settled, "the dead worker's entries")
    assert bench.stored() == 300
    assert bench.sql("SELECT count(*) FROM logs_ledger_entries WHERE delivery = 'again'") == [
        (200,)
    ]


def test_released_entries_can_be_claimed_at_once(bench, working, settings):
    bench.append(bench.records(50))
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    client = connect(settings)
    gone = Consumer(client, settings.stream, settings.group, "gone:1:x")
    gone.ensure_group()
    ids = [entry.id for entry in gone.read_new(50, None)]
    gone.release(ids, 600_000)
    assert not gone.leave(), "a consumer that holds entries must not be deleted"
    with working(patient):
        eventually(bench.settled, "the released entries, before their idle time", 55)
    assert bench.stored() == 50


def test_two_workers_share_the_stream(bench, spawn):
    bench.append(bench.records(20_000))
    spawn()
    spawn()
    eventually(bench.settled, "both to finish")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(20_000, 20_000)]


def test_a_stream_deleted_under_a_running_worker_is_made_again(bench, working, settings):
    bench.append(bench.records(100))
    with working(settings) as worker:
        eventually(bench.settled, "the first hundred")
        bench.redis.delete(settings.stream)
        bench.append(bench.records(150))  # overtakes the old count before anybody looks
        eventually(lambda: bench.stored() == 250, "the second life's records")
        eventually(bench.settled, "all acknowledged")
        assert all(worker.ready().values())
    assert bench.sql("SELECT max(epoch) - min(epoch) FROM logs_ledger_entries") == [(1,)]
