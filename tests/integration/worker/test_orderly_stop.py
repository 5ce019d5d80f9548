"""SIGTERM in the middle of an outage: what is in hand goes to a peer at once."""

from __future__ import annotations

import signal

import msgspec
import psycopg
import pytest

from godot.settings import Settings
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.reclaim import Sweep
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nothing is reclaimed for an hour by waiting alone."""
    return msgspec.structs.replace(settings, reclaim_idle_ms=3_600_000, stop_timeout_s=0.5)


def test_sigterm_during_an_outage_makes_the_batch_claimable_at_once(
    bench: Bench, spawn, working, settings
):
    bench.change(
        "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER full_disk BEFORE INSERT ON logs EXECUTE FUNCTION full()"
    )
    bench.append(bench.records(40))
    worker = spawn()
    eventually(lambda: bench.pending() == 40, "the batch to be in hand")
    client = connect(settings)
    peer = Consumer(client, settings.stream, settings.group, "peer:1:x")
    sweep = Sweep(peer, min_idle_ms=settings.reclaim_idle_ms, max_deliveries=5)
    assert sweep.page(1_000).entries == [], "a living worker keeps its entries"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    found = sweep.page(1_000)
    assert (len(found.entries), len(found.suspects)) == (40, 0)
    assert set(peer.deliveries(peer.held(100)).values()) == {1}, "an orderly stop is no evidence"
    peer.release(peer.held(100), settings.reclaim_idle_ms * 10)
    close(client)
    bench.change("DROP FUNCTION full CASCADE")
    hasty = msgspec.structs.replace(settings, reclaim_idle_ms=1_000)
    with working(hasty):
        eventually(bench.settled, "the batch")
    assert bench.stored() == 40
    assert bench.audited().clean


def test_what_committed_before_a_stop_gave_up_is_acknowledged(bench: Bench, working, settings):
    bench.change(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;"
        "CREATE TRIGGER hold BEFORE INSERT ON logs FOR EACH ROW"
        " WHEN (NEW.message = 'message 15') EXECUTE FUNCTION hold()"
    )
    small = msgspec.structs.replace(settings, batch_size=10, batch_max=10)
    with psycopg.connect(settings.dewey_url, autocommit=True) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(1)")
        bench.append(bench.records(20))
        with working(small) as worker:
            eventually(lambda: bench.stored() == 10, "the first of two batches")
            worker.stop.set()
        assert (bench.stored(), bench.pending()) == (10, 10)
