"""One record that kills the worker must not take its neighbours with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import psycopg
import pytest

from godot.settings import Settings
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.ids import ZERO, StreamID
from godot.stream.pending import pending
from godot.stream.reclaim import RELEASE_FACTOR, SOLO, Sweep
from godot.worker.decode import Decoder
from godot.worker.loop import UNREAD_DEATHS, Worker
from tests.integration.worker.conftest import ENVIRONMENT, Bench, eventually


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What a dead worker had is taken over soon: some die a dozen times here."""
    return msgspec.structs.replace(settings, reclaim_idle_ms=1_500)


def survive(bench: Bench, settings: Settings, *how: str) -> int:
    """Have a worker started again each time it dies, until all is settled; return how often."""
    environ = {name: str(getattr(settings, field)) for name, field in ENVIRONMENT.items()}
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("poisoned_worker.py"), *how],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not bench.settled():
            assert process.poll() is None, "the poison was never condemned"
            time.sleep(0.05)
    finally:
        process.terminate()
        started, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return len(started.splitlines())


def test_a_record_that_kills_the_worker_is_condemned_alone(bench: Bench, settings):
    bench.append(bench.records(60))
    poison = bench.add_raw(component="test", level="INFO", message="poison")
    bench.append(bench.records(60))
    suspicious = msgspec.structs.replace(settings, max_deliveries=2)  # each death takes seconds
    starts = survive(bench, suspicious)
    assert bench.stored() == 120
    ((entry, reason, state),) = bench.sql("SELECT entry, reason, state FROM logs_rejected")
    assert (entry, state) == (poison, "open")
    assert "kills workers" in reason
    assert starts >= suspicious.max_deliveries + 3


def test_poison_at_the_head_of_a_full_batch_condemns_none_of_the_others(bench: Bench, settings):
    """Each of them is a suspect then, and a transaction of its own."""
    whole = msgspec.structs.replace(settings, batch_size=200, max_deliveries=1)
    poison = bench.add_raw(component="test", level="INFO", message="poison")
    bench.append(bench.records(199))
    survive(bench, whole)
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(199, 199)]
    assert bench.sql("SELECT entry FROM logs_rejected") == [(poison,)]
    assert bench.audited().clean


def suspected(settings: Settings, *deaths: int) -> list[StreamID]:
    """Leave the stream's entries to a dead worker, as suspects that died alone so many times."""
    client = connect(settings)
    dead = Consumer(client, settings.stream, settings.group, "dead:1:x")
    dead.ensure_group()
    ids = [entry.id for entry in dead.read_new(len(deaths), None)]
    for one, times in zip(ids, deaths, strict=True):
        dead.release([one], settings.reclaim_idle_ms * RELEASE_FACTOR, SOLO + times)
    close(client)
    return ids


def test_an_entry_that_kills_whoever_receives_it_waits_its_turn_and_is_condemned_unread(
    bench: Bench, settings
):
    first, *others = bench.records(11)
    bench.append([msgspec.structs.replace(first, message="poison"), *others])
    poison, *_ = suspected(settings, UNREAD_DEATHS - 1, *[0] * 10)
    assert survive(bench, settings, "receive") == 2
    assert bench.stored() == 10
    ((entry, reason, names, deliveries),) = bench.sql(
        "SELECT entry, reason, field_names, deliveries FROM logs_rejected"
    )
    assert (entry, deliveries) == (str(poison), settings.max_deliveries + UNREAD_DEATHS)
    assert names == [b"id"]
    assert "only receive it" in reason
    found = bench.audited()
    assert (found.total.stored, found.total.rejected, found.clean) == (10, 1, True)


def test_a_foreign_entry_that_is_condemned_unread_is_accounted_for(bench: Bench, working, settings):
    poison = bench.add_raw(component="test", level="INFO", message="too large")
    suspected(settings, UNREAD_DEATHS)
    with working(settings):
        eventually(bench.settled, "the entry to be condemned")
    assert bench.sql("SELECT entry, field_names FROM logs_rejected") == [(poison, [])]
    assert bench.stored() == 0
    assert bench.audited().clean


def test_a_record_in_json_that_is_condemned_unread_keeps_its_number(
    bench: Bench, working, settings
):
    record, other = bench.records(2)
    said = {n.decode(): value.decode() for n, value in record.fields() if n != b"data"}
    bench.add_raw(json=json.dumps({"data": {"id": other.id}, **said}))
    suspected(settings, UNREAD_DEATHS)
    with working(settings):
        eventually(bench.settled, "the entry to be condemned")
    assert bench.sql("SELECT record_id::text, field_names FROM logs_rejected") == [
        (record.id, [b"id"])
    ]
    found = bench.audited()
    assert (found.total.announced, found.total.rejected, found.clean) == (1, 1, True)


def test_suspects_that_died_alone_least_come_first(bench: Bench, settings):
    bench.append(bench.records(3))
    suspected(settings, 2, 0, 1)
    client = connect(settings)
    peer = Consumer(client, settings.stream, settings.group, "peer:1:x")
    page = Sweep(peer, min_idle_ms=settings.reclaim_idle_ms, max_deliveries=5).page(10)
    assert [suspect.died_alone for suspect in page.suspects] == [0, 1, 2]
    close(client)


def test_an_exception_nobody_expects_counts_against_the_entry(bench: Bench, settings, monkeypatch):
    def decode(*_: object) -> None:
        raise MemoryError

    bench.append(bench.records(1))
    (poison,) = suspected(settings, 1)
    monkeypatch.setattr(Decoder, "decode_all", decode)
    with pytest.raises(MemoryError):
        Worker(settings, threading.Event()).run()
    client = connect(settings)
    idle_ms = settings.reclaim_idle_ms
    (item,) = pending(client, settings.stream, settings.group, min_idle_ms=idle_ms)
    close(client)
    assert (item.id, item.died_alone) == (poison, 2)


def test_entries_that_were_only_read_often_are_stored(bench: Bench, working, settings):
    bench.append(bench.records(3))
    client = connect(settings)
    unlucky = Consumer(client, settings.stream, settings.group, "unlucky:1:x")
    unlucky.ensure_group()
    assert len(unlucky.read_new(3, None)) == 3
    for _ in range(20):
        unlucky.read_own(3, ZERO)
    unlucky.release(unlucky.held(3), settings.reclaim_idle_ms * RELEASE_FACTOR)
    with working(settings):
        eventually(bench.settled, "the entries of a consumer that lost many replies")
    assert bench.stored() == 3
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_a_dead_letter_counts_the_deliveries_before_and_after_suspicion(
    bench: Bench, working, settings
):
    bench.add_raw(component="c", level="LOUD", message="m")
    client = connect(settings)
    dead = Consumer(client, settings.stream, settings.group, "dead:1:x")
    dead.ensure_group()
    dead.read_new(1, None)
    dead.release(dead.held(1), settings.reclaim_idle_ms * RELEASE_FACTOR, SOLO + 1)
    with working(settings):
        eventually(bench.settled, "the suspect")
    close(client)
    assert bench.sql("SELECT deliveries FROM logs_rejected") == [(settings.max_deliveries + 2,)]


def test_a_delivery_count_beyond_all_sense_holds_nobody_up(bench: Bench, working, settings):
    """XCLAIM takes any RETRYCOUNT, from whoever: that is no evidence against an entry."""
    bench.append(bench.records(3))
    client = connect(settings)
    someone = Consumer(client, settings.stream, settings.group, "someone:1:x")
    someone.ensure_group()
    entries = someone.read_new(3, None)
    for count, entry in zip((2**31, 2**62, 2**63 - 1), entries, strict=True):
        someone.release([entry.id], settings.reclaim_idle_ms * RELEASE_FACTOR, count)
    close(client)
    with working(settings):
        bench.append(bench.records(5))
        eventually(bench.settled, "what has such counts, and what came later")
    assert bench.stored() == 8
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_orderly_stops_during_an_outage_condemn_nothing(bench: Bench, working, settings):
    bench.append(bench.records(1))
    with psycopg.connect(settings.dewey_url) as connection:
        connection.execute("LOCK TABLE logs_ledger IN ACCESS EXCLUSIVE MODE")
        for _ in range(settings.max_deliveries + 5):
            stop = threading.Event()
            worker = Worker(msgspec.structs.replace(settings, stop_timeout_s=0.01), stop)
            thread = threading.Thread(target=worker.run)
            thread.start()
            try:
                eventually(lambda: bench.pending() == 1, "the entry to be taken")
            finally:
                stop.set()
                thread.join(60)
            assert not thread.is_alive()
    with working(settings):
        eventually(bench.settled, "the entry, once the table is free")
    assert bench.stored() == 1
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
