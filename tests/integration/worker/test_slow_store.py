"""A PostgreSQL that is merely slow: fewer records are written at once, and nothing is held up."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from dewey_logs import open_store
from godot.errors import GodotError
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Read
from tests.integration.worker.conftest import Bench, eventually

SLEEP = """
CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep({}); RETURN NEW; END $$
"""  # made anew while it is called: to drop the trigger takes locks
TRIGGER = "CREATE TRIGGER slow BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION slow()"
SLOWED = "store is slow, writing fewer records at once"


def let_each_row_take(bench: Bench, seconds: float, table: str | None = None) -> None:
    """Make every row of the table, or of the one that was given before, take so long."""
    bench.change(SLEEP.format(seconds))
    if table:
        bench.change(TRIGGER.format(table))


def at_once(worker) -> float:
    found: float = worker.registry.get_sample_value("godot_worker_at_once_records")
    return found


def test_fewer_records_are_written_at_once_until_they_are_stored_in_time(
    bench: Bench, working, settings, caplog
):
    impatient = msgspec.structs.replace(settings, reclaim_idle_ms=1_000)  # a statement has 0.29 s
    with working(impatient) as worker:
        bench.append(bench.records(1_000))
        eventually(bench.settled, "whole batches")
        assert at_once(worker) == settings.batch_max
        let_each_row_take(bench, 0.01, "logs")  # 1,000 records take 30 times what a statement may
        bench.append(bench.records(400))
        eventually(bench.settled, "everything acknowledged")
        few = at_once(worker)
        assert 1 <= few < 30
        assert "[57014]" in next(one for one in caplog.records if one.message == SLOWED).reason
        assert worker.ready()["store"]
        let_each_row_take(bench, 0)
        bench.append(bench.records(3_000))
        eventually(bench.settled, "the rest")
        assert at_once(worker) > 2 * few
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(4_400, 4_400)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    assert bench.audited().clean


def test_dead_letters_that_take_too_long_are_stored_a_few_at_once(bench: Bench, working, settings):
    """No statement of theirs takes long, but all of them are more than an answer may take."""
    let_each_row_take(bench, 0.01, "logs_rejected")
    with working(settings):
        for _ in range(500):
            bench.add_raw(nonsense="x")
        bench.append(bench.records(10))
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(500,)]
    assert bench.stored() == 10
    assert bench.audited().clean


def test_where_not_even_one_record_is_stored_in_time_it_waits_and_is_no_dead_letter(
    bench: Bench, working, settings, caplog
):
    let_each_row_take(bench, 60, "logs")
    bench.append(bench.records(300))
    with working(settings) as worker:
        waiting = "store cannot be used, keeping the batch"
        eventually(lambda: caplog.messages.count(waiting) > 3, "a record alone to be tried again")
        assert at_once(worker) == 1
        assert not worker.ready()["store"]
        assert (bench.stored(), bench.pending()) == (0, bench.redis.xlen(settings.stream))
        let_each_row_take(bench, 0)
        eventually(bench.settled, "everything acknowledged")
        eventually(lambda: worker.ready()["store"], "the worker to be ready")
    assert "record set aside" not in caplog.messages
    assert bench.stored() == 300
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_what_a_person_cancels_is_tried_again_as_it_was(bench: Bench, working, settings, caplog):
    held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    cancelled = held.replace("count(*)", "pg_cancel_backend(pid)")
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    with working(patient) as worker:
        with psycopg.connect(bench.database) as other:
            other.execute("LOCK TABLE logs_ledger IN EXCLUSIVE MODE")
            bench.append(bench.records(50))
            eventually(lambda: bench.sql(held) == [(1,)], "a batch under way")
            assert bench.sql(cancelled) == [(True,)]
            eventually(lambda: not worker.ready()["store"], "the worker to be told")
        eventually(bench.settled, "everything acknowledged")
        assert at_once(worker) == settings.batch_max
    assert bench.sql("SELECT count(DISTINCT xmin::text), count(*) FROM logs") == [(1, 50)]


def test_claim_and_replay_divide_too_and_wait_for_nothing(bench: Bench, settings):
    let_each_row_take(bench, 0.01, "logs")
    bench.append(bench.records(101))
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "x:1:x")
    consumer.ensure_group()
    many, last = consumer.read_new(100, None), consumer.read_new(1, None)
    tally = Tally()
    with (
        open_store(settings.dewey_url or "", statement_timeout_s=0.3) as store,
        pipeline(settings, consumer, store, tally) as settling,
    ):
        settling.settle([Read(many)])
        assert (tally.stored, bench.stored(), bench.pending()) == (100, 100, 1)
        let_each_row_take(bench, 60)
        with pytest.raises(GodotError, match="for a batch of 1:"):
            settling.settle([Read(last)])
    assert bench.pending() == 1
    close(client)
