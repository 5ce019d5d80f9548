"""A PostgreSQL that answers and refuses: the batch waits, reading stops, nothing is discarded."""

from __future__ import annotations

import msgspec
import psycopg

from godot import audit
from tests.integration.worker.conftest import Bench, eventually

OUTAGES = (
    *("08006", "25006", "40001", "40P01", "53100", "53200", "55P03", "57014", "57P03"),
    *("58030", "XX001"),
)
REFUSALS = ("21000", "22000", "22P02", "23502", "23514", "54000")
REFUSE = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'as a test asks' USING ERRCODE = '{}'; END $$;
CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON logs EXECUTE FUNCTION refuse()
"""
MEND = "DROP TRIGGER refuse ON logs"
REFUSE_ROWS = f"""
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'not this one' USING CONSTRAINT = 'a_rule',
    ERRCODE = (ARRAY['{"','".join(REFUSALS)}'])[((NEW.data->>'i')::int + 1) / 10];
END $$;
CREATE TRIGGER refuse_row BEFORE INSERT ON logs FOR EACH ROW
  WHEN (NEW.message ~ '^message [1-5]?9$') EXECUTE FUNCTION refuse_row()
"""
KEEP_OUT = """
CREATE FUNCTION overlook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER overlook BEFORE INSERT ON logs_rejected FOR EACH ROW WHEN (NEW.sequence > 30)
EXECUTE FUNCTION overlook()
"""
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(1), pg_advisory_xact_lock(2); RETURN NULL; END $$;
CREATE TRIGGER hold BEFORE INSERT ON logs_ledger EXECUTE FUNCTION hold()
"""


def test_no_outage_makes_a_dead_letter_and_each_ends_by_itself(bench: Bench, working, settings):
    with working(settings) as worker:
        for done, sqlstate in enumerate(OUTAGES):
            bench.change(REFUSE.format(sqlstate))
            bench.append(bench.records(20))
            eventually(lambda: not worker.ready()["store"], f"the worker to meet {sqlstate}")
            assert bench.stored() == done * 20
            bench.change(MEND)
            eventually(bench.settled, f"everything stored after {sqlstate}")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(220, 220)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_while_the_store_refuses_the_stream_is_the_buffer(bench: Bench, working, settings):
    small = msgspec.structs.replace(settings, batch_size=10, batch_max=10)
    with working(small) as worker:
        bench.change(REFUSE.format("53100"))
        bench.append(bench.records(200))
        eventually(lambda: _breaker_open(worker), "the breaker to open")
        assert bench.pending() <= 40, "two batches under way, one read meanwhile, one asked for"
        eventually(lambda: _failures(worker) >= 5, "two more tries")
        assert bench.pending() <= 40
        bench.change(MEND)
        eventually(bench.settled, "everything stored")
        assert not _breaker_open(worker)
    assert bench.stored() == 200


def test_the_victim_of_a_deadlock_keeps_its_batch(bench: Bench, working, settings):
    bench.change(HOLD)
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    with psycopg.connect(settings.dewey_url, autocommit=True) as other, working(patient) as worker:
        other.execute("SET deadlock_timeout = '1 min'")  # the worker has to be the one that looks
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(2)")
            bench.append(bench.records(30))
            eventually(lambda: bench.sql(waiting) == [(1,)], "the worker to hold the first lock")
            other.execute("SELECT pg_advisory_xact_lock(1)")
            eventually(lambda: not worker.ready()["store"], "the worker to be told")
        eventually(bench.settled, "the batch")
    assert bench.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[
        0
    ] >= (1,)
    assert bench.stored() == 30


def test_rows_that_are_refused_cost_their_neighbours_nothing(bench: Bench, working, settings):
    bench.change(REFUSE_ROWS)
    bench.append(bench.records(90))
    with working(settings):
        eventually(bench.settled, "everything settled")
    assert bench.stored() == 84
    assert bench.sql("SELECT sequence, sqlstate, reason FROM logs_rejected ORDER BY sequence") == [
        (10 * n, sqlstate, "not this one (a_rule)") for n, sqlstate in enumerate(REFUSALS, 1)
    ]
    assert bench.audited().clean


def test_a_dead_letter_that_a_trigger_keeps_out_is_lost_with_a_name(
    bench: Bench, working, settings, caplog
):
    bench.change(REFUSE_ROWS)  # 10, 20, 30, 40, 50 and 60
    bench.change(KEEP_OUT)
    bench.append(bench.records(90))
    for _ in range(40):
        bench.add_raw(component="c", level="INFO", message="foreign")
    bench.redis.xtrim(settings.stream, maxlen=115, approximate=False)
    with working(settings):
        eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert (found.total.lost, found.total.unaccounted) == (15 + 3, 0)
    assert (found.total.stored, found.total.rejected) == (90 - 15 - 5, 2)
    assert [(one.first, one.last, one.cause) for one in found.ranges] == [
        (1, 15, "trimmed unread"),
        *((n, n, audit.UNKEPT) for n in (40, 50, 60)),
    ]
    named = [one.reason for one in caplog.records if one.message == "record rejected"]
    assert sum(reason.startswith("lost, because a trigger") for reason in named) == 3


def _breaker_open(worker) -> bool:
    return bool(worker.registry.get_sample_value("godot_worker_breaker_open"))


def _failures(worker) -> float:
    found = worker.registry.get_sample_value("godot_worker_errors_total", {"stage": "write"})
    return found or 0.0
