"""Commands that the server has done although their answer never came."""

from __future__ import annotations

import msgspec
import pytest

from godot.errors import StreamUnavailable
from godot.stream.append import Appender
from tests.integration.worker.conftest import Bench, eventually
from tests.proxy import Proxy


@pytest.fixture
def proxied(settings, valkey_server):
    with Proxy(valkey_server.socket) as proxy:
        yield (
            proxy,
            msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}/0"),
        )


def test_an_append_whose_answer_was_lost_can_be_repeated(bench: Bench, working, proxied):
    proxy, through = proxied
    records = bench.records(100)
    with Appender(through) as appender:
        appender.append(bench.records(1))
        proxy.swallow_replies = True
        with pytest.raises(StreamUnavailable):
            appender.append(records)
        proxy.swallow_replies = False
        assert bench.redis.xlen(bench.settings.stream) == 101
        appender.append(records)
    assert bench.redis.xlen(bench.settings.stream) == 201
    with working(bench.settings):
        eventually(bench.settled, "everything settled")
    assert bench.stored() == 101


def test_entries_of_a_read_whose_answer_was_lost_come_first_afterwards(
    bench: Bench, working, proxied
):
    proxy, through = proxied
    patient = msgspec.structs.replace(through, reclaim_idle_ms=3_600_000)
    with working(patient) as worker:
        eventually(lambda: worker.ready()["redis"], "the worker to work")
        proxy.swallow_replies = True
        bench.append(bench.records(50))
        eventually(lambda: bench.pending() > 0, "a delivery nobody hears of")
        proxy.cut()
        proxy.swallow_replies = False
        eventually(bench.settled, "everything settled, long before any reclaim")
    assert bench.stored() == 50


def test_twenty_outages_leave_no_connection_behind(bench: Bench, working, proxied):
    proxy, through = proxied
    with working(through) as worker:
        eventually(lambda: worker.ready()["redis"], "the worker to work")
        before = proxy.connections()
        for _ in range(20):
            proxy.cut()
            bench.append(bench.records(1))
            eventually(bench.settled, "the record after the cut")
        assert proxy.connections() <= before
    assert bench.stored() == 20
