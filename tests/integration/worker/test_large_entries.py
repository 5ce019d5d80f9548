"""Bytes bound a transaction as well as records do; one large entry stands alone."""

from __future__ import annotations

import threading

import msgspec
from prometheus_client import CollectorRegistry

from clientlib import make_record
from dewey_logs import Batch, Checkpoint, SetBack, WriteResult
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.setback import Readings
from godot.worker.intake import Intake
from godot.worker.metrics import WorkerMetrics
from tests.integration.worker.conftest import Bench, eventually


def test_what_is_too_large_for_one_transaction_is_split(bench: Bench, working, settings):
    sizes = [10_000] * 30 + [60_000] * 3 + [200] * 30
    bench.append(
        [make_record("test", "INFO", "x" * size, producer=bench.producer) for size in sizes]
    )
    bounded = msgspec.structs.replace(settings, batch_max_bytes=65_536)
    with working(bounded):
        eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 63
    per_transaction = bench.sql(
        "SELECT max(bytes), max(records) FROM (SELECT sum(length(message)) AS bytes,"
        " count(*) AS records FROM logs GROUP BY xmin::text) t"
    )
    ((largest, records),) = per_transaction
    assert largest <= 65_536
    assert records > 1
    assert bench.audited().clean


def test_an_entry_larger_than_a_batch_may_be_is_stored_alone(bench: Bench, working, settings):
    bench.append(bench.records(20))
    bench.add_raw(component="c", level="INFO", message="m", data=b'{"a": "%s"}' % (b"y" * 90_000))
    bench.append(bench.records(20))
    with working(msgspec.structs.replace(settings, batch_max_bytes=65_536)):
        eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 41
    assert bench.sql(
        "SELECT count(*) FROM logs GROUP BY xmin::text HAVING bool_or(component = 'c')"
    ) == [(1,)]


def test_a_worker_that_has_seen_no_entry_yet_reads_few(bench: Bench, settings):
    for _ in range(70):
        bench.add_raw(message="x" * 900_000)
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "x:1:x")
    consumer.ensure_group()
    metrics = WorkerMetrics(CollectorRegistry(), settings.stream, settings.group)
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=10**12)
    intake = Intake(patient, consumer, metrics, threading.Event())
    (first,), _ = intake.next()
    (second,), _ = intake.next()
    assert (len(first.entries), len(second.entries)) == (64, 2)
    intake.forget()
    close(client)


def test_a_read_of_many_transactions_stays_with_its_worker(bench: Bench, working, settings):
    """Together they take longer than the reclaim time, though the store answers all along."""
    large = [make_record("test", "INFO", "x" * 20_000, producer=bench.producer) for _ in range(45)]
    bench.append(bench.records(20))  # after which larger reads are dared
    bench.change(
        """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.25); RETURN NULL; END $$;
           CREATE TRIGGER slow AFTER INSERT ON logs_ledger
             FOR EACH STATEMENT EXECUTE FUNCTION slow()"""
    )
    slow = msgspec.structs.replace(settings, reclaim_idle_ms=1_500, batch_max_bytes=65_536)
    with working(slow):
        eventually(bench.settled, "the small ones")
        bench.append(large)
        eventually(lambda: bench.pending() == 45, "everything in one worker's hand")
        with working(slow):
            eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 65
    assert bench.sql("SELECT DISTINCT delivery FROM logs_ledger_entries") == [("new",)]


def test_counting_a_stream_brings_no_payload(bench: Bench, settings):
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "x:1:x")
    assert consumer.progress() is None
    bench.add_raw(message="x" * 1_000_000)
    gone = Checkpoint(7, (2**50, 0))
    told: list[SetBack] = []

    def tell(found: SetBack) -> bool:
        told.append(found)
        return True

    readings = Readings(consumer, tell)

    def sent() -> int:
        told: int = bench.redis.info("stats")["total_net_output_bytes"]
        return told

    before = sent()
    progress = consumer.progress()
    batch = Batch(stream=settings.stream, entries_added=1, last_generated=(2**51, 0))
    readings.committed(batch, WriteResult(stored=0, checkpoint=gone))
    readings.check()
    bench.redis.xadd(settings.stream, {"message": "y" * 1_000_000}, id=f"{2**52}-0")
    readings.check()
    assert sent() - before < 100_000
    assert [found.known for found in told] == [gone]
    close(client)
    assert progress is not None
    assert (progress.added, progress.present) == (1, 1)
    assert progress.first == progress.last_generated == progress.floor
