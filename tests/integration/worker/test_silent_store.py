"""A way to PostgreSQL that swallows everything, while the kernel at its end still answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from godot.settings import Settings
from godot.stream.producers import ProducerInfo, announce
from godot.worker.loop import Worker
from tests.integration.worker.conftest import Bench, eventually
from tests.proxy import Proxy


@pytest.fixture
def way(settings, postgres_server):
    """The way to PostgreSQL, and its address."""
    with Proxy(postgres_server.sockets / ".s.PGSQL.5432") as proxy:
        name = settings.dewey_url.partition("?")[0].rpartition("/")[2]
        yield proxy, f"postgresql://godot@127.0.0.1:{proxy.port}/{name}?sslmode=disable"


def fall_silent(bench: Bench, proxy: Proxy) -> None:
    """Let nothing pass any more, in the middle of the worker's work, and have it take a batch."""
    bench.append(bench.records(10))
    eventually(bench.settled, "the path to work")
    proxy.stall = True
    bench.append(bench.records(10))
    eventually(lambda: bench.pending() == 10, "the batch to be in hand")


def test_a_worker_whose_store_is_silent_can_be_stopped(
    bench: Bench, working, way, settings: Settings
):
    proxy, address = way
    patient = msgspec.structs.replace(
        settings, dewey_url=address, reclaim_idle_ms=3_600_000, stop_timeout_s=0.5
    )
    with working(patient):
        fall_silent(bench, proxy)
    assert (bench.stored(), bench.pending()) == (10, 10)
    with working(msgspec.structs.replace(patient, dewey_url=settings.dewey_url)) as peer:
        peer._intake.sweep._next = 0.0
        eventually(bench.settled, "what it gave back, long before any reclaim")
    assert bench.stored() == 20


def forgets_producers(bench: Bench, worker: Worker) -> None:
    info = ProducerInfo(1, 10, "shop", "box", 1, "0.1.0", "2026-11-01T00:00:00Z", 0)
    announce(bench.redis, bench.settings.stream, info)
    worker._housekeeping._forget_due = 0.0


def finds_its_stream_gone(bench: Bench, worker: Worker) -> None:
    bench.redis.delete(bench.settings.stream)


@pytest.mark.parametrize("asks", [forgets_producers, finds_its_stream_gone])
def test_a_worker_that_asks_a_silent_store_can_be_stopped(
    bench: Bench, working, way, settings: Settings, asks: Callable[[Bench, Worker], None]
):
    proxy, address = way
    patient = msgspec.structs.replace(
        settings, dewey_url=address, reclaim_idle_ms=3_600_000, stop_timeout_s=0.5
    )
    with working(patient) as worker:
        bench.append(bench.records(10))
        eventually(bench.settled, "the path to work")
        proxy.stall = True
        asks(bench, worker)
        store = worker.store
        eventually(lambda: store._readers._asking or store._writer._lock.locked(), "the question")
    assert bench.stored() == 10


def test_a_silent_store_is_an_outage_and_a_healthy_peer_takes_the_batch(
    bench: Bench, working, way, settings: Settings
):
    proxy, address = way
    with working(msgspec.structs.replace(settings, dewey_url=address)) as worker:
        fall_silent(bench, proxy)
        eventually(lambda: not worker.ready()["store"], "the worker to notice")
        with working(settings):
            eventually(bench.settled, "the batch by a healthy peer")
        assert bench.stored() == 20
        proxy.heal()
        eventually(lambda: worker.ready()["store"], "the worker to work again")
        bench.append(bench.records(10))
        eventually(bench.settled, "records to flow again")
    assert bench.stored() == 30
    assert bench.audited().clean
