"""Servers that go away: nothing is lost, nothing is doubled, and work goes on by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from dewey_logs import NotDurable
from dewey_logs.migrations import migrate
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings
from godot.worker.loop import Worker
from tests.integration.worker.conftest import Bench, eventually


def test_postgresql_crashing_under_load_loses_and_doubles_nothing(
    settings: Settings, own_postgres: Postgres, working
):
    settings = msgspec.structs.replace(settings, dewey_url=own_postgres.url("dewey"))
    bench = Bench(settings)
    done = threading.Event()

    def produce() -> None:
        for _ in range(60):
            bench.append(bench.records(50))
            done.wait(0.02)

    producer = threading.Thread(target=produce)
    with working(settings) as worker:
        producer.start()
        for _ in range(3):
            eventually(lambda: bench.stored() > 100, "some commits")
            own_postgres.kill()
            eventually(lambda: not worker.ready()["store"], "the worker to notice")
            own_postgres.start()
        producer.join()
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(3_000, 3_000)]
    bench.close()


def test_redis_crashing_under_load_loses_nothing_it_accepted(
    settings: Settings, own_valkey: Valkey, working
):
    settings = msgspec.structs.replace(settings, redis_url=own_valkey.url)
    bench = Bench(settings)
    with working(settings) as worker:
        for _ in range(3):
            bench.append(bench.records(400))
            own_valkey.kill()
            eventually(lambda: not worker.ready()["redis"], "the worker to notice")
            own_valkey.start()
            eventually(lambda: worker.ready()["redis"], "the worker to come back")
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(1_200, 1_200)]
    bench.close()


def test_a_worker_waits_for_a_database_that_is_not_there_yet(
    settings: Settings, own_postgres: Postgres, working
):
    settings = msgspec.structs.replace(settings, dewey_url=own_postgres.url("dewey"))
    bench = Bench(settings)
    bench.append(bench.records(10))
    own_postgres.stop()
    with working(settings) as worker:
        assert worker.ready() == {"redis": False, "store": False, "progress": True}
        own_postgres.start()
        eventually(bench.settled, "everything acknowledged")
    assert bench.stored() == 10
    bench.close()


def test_stopping_during_an_outage_gives_the_batch_back(
    settings: Settings, own_postgres: Postgres, working
):
    settings = msgspec.structs.replace(
        settings, dewey_url=own_postgres.url("dewey"), stop_timeout_s=0.5, reclaim_idle_ms=60_000
    )
    bench = Bench(settings)
    with working(settings) as worker:
        bench.append(bench.records(10))
        eventually(bench.settled, "the path to work")
        own_postgres.stop()
        bench.append(bench.records(10))
        eventually(lambda: not worker.ready()["store"], "the worker to notice")
    assert bench.pending() == 10
    own_postgres.start()
    with working(settings):
        eventually(bench.settled, "the released batch, long before its idle time", 55)
    assert bench.stored() == 20
    bench.close()


def test_a_server_that_may_forget_its_commits_is_refused(settings: Settings, own_folder: Path):
    server = Postgres(own_folder / "postgres", options=("fsync=off", "shared_buffers=32MB"))
    server.start()
    try:
        server.create_database("dewey")
        migrate(server.url("dewey"))
        careless = msgspec.structs.replace(settings, dewey_url=server.url("dewey"))
        with pytest.raises(NotDurable, match="fsync is off"):
            Worker(careless, threading.Event()).run()
    finally:
        server.stop()
