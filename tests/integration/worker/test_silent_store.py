"""A way to PostgreSQL that swallows everything, while the kernel at its end still answers."""

from __future__ import annotations

import msgspec
import pytest

from godot.settings import Settings
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
