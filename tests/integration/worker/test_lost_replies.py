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
        eventually(lambda: worker.ready()["redis"] and bench.consumers(), "the worker to read")
        proxy.swallow_replies = True
        bench.append(bench.records(50))
        eventually(lambda: bench.pending() > 0, "a delivery nobody hears of")
        proxy.cut()
        proxy.swallow_replies = False
        eventually(bench.settled, "everything settled, long before any reclaim")
    assert bench.stored() == 50


def test_an_acknowledgement_whose_answer_was_lost_is_repeated(bench: Bench, working, proxied):
    proxy, through = proxied
    patient = msgspec.structs.replace(through, reclaim_idle_ms=60_000)
    with working(patient) as worker:
        with bench.commits_held():
            bench.append(bench.records(50))
            eventually(lambda: bench.committing() == 1, "the batch to be under way")
            assert bench.pending() == 50
            proxy.swallow_replies = True
        eventually(lambda: bench.pending() == 0, "the acknowledgement to arrive")
        proxy.cut()
        proxy.swallow_replies = False
        bench.append(bench.records(10))
        eventually(lambda: bench.stored() == 60, "records to flow again")
        eventually(bench.settled, "everything acknowledged")
        acked = worker.registry.get_sample_value(
            "godot_worker_ack_missing_entries_total",
            {"stream": through.stream, "group": through.group},
        )
    assert acked == 50, "the repeated XACK finds nothing pending"
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.clean) == (60, 0, True)


def test_an_acknowledgement_that_never_arrives_only_makes_duplicates(
    bench: Bench, working, proxied
):
    proxy, through = proxied
    patient = msgspec.structs.replace(through, reclaim_idle_ms=60_000)
    with working(patient) as worker:
        with bench.commits_held():
            bench.append(bench.records(50))
            eventually(lambda: bench.committing() == 1, "the batch to be under way")
            proxy.refuse = True
            proxy.cut()
        eventually(lambda: bench.stored() == 50, "the commit")
        eventually(lambda: not worker.ready()["redis"], "the worker to give up on XACK")
        assert bench.pending() == 50
        proxy.refuse = False
        eventually(bench.settled, "the entries again, long before any reclaim")
    assert bench.stored() == 50
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.clean) == (50, 50, True)


def test_a_commit_whose_answer_was_lost_is_repeated_and_acknowledged_once(
    bench: Bench, working, settings, postgres_server
):
    patient = msgspec.structs.replace(settings, reclaim_idle_ms=60_000)
    with Proxy(postgres_server.sockets / ".s.PGSQL.5432") as proxy:
        name = settings.dewey_url.partition("?")[0].rpartition("/")[2]
        url = f"postgresql://godot@127.0.0.1:{proxy.port}/{name}?sslmode=disable"
        with working(msgspec.structs.replace(patient, dewey_url=url)):
            with bench.commits_held():
                bench.append(bench.records(50))
                eventually(lambda: bench.committing() == 1, "the batch to be under way")
                proxy.swallow_replies = True
            eventually(lambda: bench.stored() == 50, "a commit nobody hears of")
            assert bench.pending() == 50, "nothing is acknowledged that is not known to be stored"
            proxy.cut()
            proxy.swallow_replies = False
            eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 50
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.clean) == (50, 50, True)
