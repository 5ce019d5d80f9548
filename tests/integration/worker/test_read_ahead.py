"""What a worker has asked for ahead is its own like everything else it has read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.lease import Lease
from godot.worker.loop import Worker
from tests.integration.worker.conftest import Bench, eventually

AT_ONCE = 10  # a batch; two are being written, one waits for them, one was asked for ahead
HELD = 4 * AT_ONCE


@pytest.fixture
def small(settings):
    return msgspec.structs.replace(
        settings, batch_size=AT_ONCE, batch_max=AT_ONCE, reclaim_idle_ms=3_600_000
    )


@contextmanager
def held_up(bench: Bench) -> Iterator[None]:
    """Keep the first of ten batches from being committed, until the worker has taken four."""
    with bench.commits_held():
        bench.append(bench.records(10 * AT_ONCE))
        eventually(lambda: bench.pending() == HELD, "four batches in hand")
        yield


def test_a_worker_that_stops_stores_what_it_asked_for(bench: Bench, working, small):
    with working(small) as worker, held_up(bench):
        worker.stop.set()
    assert bench.stored() == HELD
    assert (bench.pending(), bench.consumers()) == (0, 0), "nothing is left with nobody"
    with working(small):
        eventually(bench.settled, "the rest stored")
    assert (bench.stored(), bench.audited().clean) == (10 * AT_ONCE, True)


def test_a_worker_that_gives_up_gives_everything_back_at_once(bench: Bench, working, small, caplog):
    impatient = msgspec.structs.replace(small, stop_timeout_s=0.2)
    with bench.commits_held(), working(impatient):
        bench.append(bench.records(10 * AT_ONCE))
        eventually(lambda: bench.pending() == HELD, "four batches in hand")
    free = bench.redis.xpending_range(
        *(small.stream, small.group, "-", "+", 10 * AT_ONCE), idle=small.reclaim_idle_ms
    )
    assert len(free) == HELD
    tries = [record for record in caplog.messages if record.startswith("store cannot be used")]
    assert len(tries) == 2, "the time of both was over when the store was hung up on"


def test_what_was_asked_for_before_a_deletion_is_stored(bench: Bench, working, small):
    with working(small):
        with bench.commits_held():
            bench.append(bench.records(3 * AT_ONCE + 5))
            eventually(lambda: bench.pending() == 3 * AT_ONCE + 5, "five to be asked for ahead")
            bench.redis.delete(small.stream)
            bench.append(bench.records(3))
        eventually(lambda: bench.stored() >= 3 * AT_ONCE + 3, "both lives")
        eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert (found.total.stored, found.total.lost, found.total.unaccounted) == (38, 0, 0)


def test_what_was_asked_for_on_a_connection_that_broke_is_found_again(bench: Bench, working, small):
    """A socket that is reset still gives what had arrived; so it is closed under the worker."""
    with working(small) as worker:
        with held_up(bench):
            worker._client.connection_pool.disconnect()
        eventually(bench.settled, "everything settled, long before any reclaim")
    assert _read_again(bench) >= AT_ONCE
    assert (bench.stored(), bench.audited().clean) == (10 * AT_ONCE, True)


def test_what_waited_for_too_long_is_read_again(bench: Bench, working, small):
    with working(small) as worker:
        with held_up(bench):
            _has_waited_for_long(worker)
        eventually(bench.settled, "everything settled")
    assert _read_again(bench) >= AT_ONCE, "from our own pending list"
    assert (bench.stored(), bench.audited().clean) == (10 * AT_ONCE, True)


def test_what_a_peer_may_have_taken_is_not_stored_by_a_worker_that_stops(
    bench: Bench, working, small
):
    with working(small) as worker, held_up(bench):
        _has_waited_for_long(worker)
        worker.stop.set()
    assert bench.stored() == HELD - AT_ONCE
    assert (bench.pending(), bench.consumers()) == (AT_ONCE, 1)


def test_a_batch_is_kept_hold_of_while_others_come_and_go(bench: Bench, small):
    bench.append(bench.records(1))
    client = connect(small)
    consumer = Consumer(client, small.stream, small.group, "x:1:x")
    consumer.ensure_group()
    (entry,) = consumer.read_new(1, None)
    consumer.release([entry.id], 3_600_000)
    lease = Lease(msgspec.structs.replace(small, reclaim_idle_ms=300), consumer)

    def renewed() -> bool:
        lease.hold([entry.id])
        found: Any = bench.redis.xpending_range(small.stream, small.group, "-", "+", 1)[0]
        return bool(found["time_since_delivered"] < 3_600_000)

    try:
        eventually(renewed, "a renewal")
    finally:
        lease.close()
        close(client)


def _read_again(bench: Bench) -> int:
    told = "SELECT coalesce(sum(n), 0) FROM logs_ledger_entries WHERE delivery = 'again'"
    return int(bench.sql(told)[0][0])


def _has_waited_for_long(worker: Worker) -> None:
    """Let a peer be about to take what the worker asked for ahead, an hour before it may."""
    worker._intake._ahead.asked_at -= worker.settings.reclaim_idle_ms / 1000
