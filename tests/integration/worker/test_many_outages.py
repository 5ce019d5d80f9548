"""Fifty outages, of either server: the worker has as many connections after them as before."""

from __future__ import annotations

import threading
from functools import partial

import msgspec
import pytest

from dewey_logs.readers import MAX_CONNECTIONS
from godot.worker import breaker
from tests.conftest import named
from tests.integration.worker.conftest import Bench, eventually
from tests.proxy import Proxy

OUTAGES = 50
AT_ONCE = 5
CLIENTS = 4  # to read and acknowledge, to ask ahead, to keep hold, to pass levels on
WRITING = 2  # one batch is copied while another one is committed
SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'godot-worker' AND datname = current_database()"
)
WRITERS = "SELECT count(*) FROM pg_class WHERE relname = 'dewey_incoming'"  # one a live session


@pytest.fixture
def fronts(settings, valkey_server, postgres_server):
    """Both servers behind proxies, and the settings that lead through these."""
    name = named(settings.dewey_url)
    with (
        Proxy(valkey_server.socket) as redis_front,
        Proxy(postgres_server.sockets / ".s.PGSQL.5432") as store_front,
    ):
        store = f"postgresql://godot@127.0.0.1:{store_front.port}/{name}?sslmode=disable"
        through = msgspec.structs.replace(
            settings,
            redis_url=f"redis://127.0.0.1:{redis_front.port}/0",
            dewey_url=store,
            batch_size=AT_ONCE,
            batch_max=AT_ONCE,
        )
        yield redis_front, store_front, through


def test_connections_are_as_many_after_fifty_outages_as_before(
    bench: Bench, working, fronts, monkeypatch
):
    monkeypatch.setattr(breaker, "FIRST_DELAY_S", 0.01)
    redis_front, store_front, through = fronts
    done = threading.Event()
    sent = [0]

    def produce() -> None:
        while not done.wait(0.02):
            bench.append(bench.records(AT_ONCE))
            sent[0] += AT_ONCE

    def clients() -> int:
        return sum(client["name"] == "godot" for client in bench.redis.client_list())

    def steady() -> bool:
        ((writers,),), ((sessions,),) = bench.sql(WRITERS), bench.sql(SESSIONS)
        return clients() == CLIENTS and writers == WRITING and sessions <= WRITING + MAX_CONNECTIONS

    def committed() -> float:
        return worker.registry.get_sample_value("godot_worker_batch_records_count") or 0.0

    def works_again(before: float) -> bool:
        return committed() > before + 1  # the first was perhaps under way

    def need_all() -> None:
        with bench.commits_held():
            bench.append(bench.records(4 * AT_ONCE))
            sent[0] += 4 * AT_ONCE
            eventually(lambda: clients() == CLIENTS, "every connection to be needed")
        eventually(bench.settled, "the path to work")

    with working(through) as worker:
        need_all()
        assert steady()
        producer = threading.Thread(target=produce)
        producer.start()
        try:
            for outage in range(OUTAGES):
                front = (redis_front, store_front)[outage % 2]
                again = partial(works_again, committed())
                front.cut()
                eventually(again, f"the worker to work after outage {outage}")
        finally:
            done.set()
            producer.join()
        eventually(bench.settled, "everything acknowledged")
        eventually(lambda: all(worker.ready().values()), "the worker to be well")
        need_all()
        eventually(steady, "as many connections as before")
    eventually(lambda: bench.sql(SESSIONS) == [(0,)], "every session to end")
    eventually(lambda: clients() == 0, "every client to leave")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(sent[0], sent[0])]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    assert bench.audited().clean
