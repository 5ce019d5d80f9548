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


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_commit_that_waits_for_a_replica_counts_once_however_that_ends(
    settings: Settings, own_postgres: Postgres, working, by_hand: bool, caplog
):
    """By hand: PostgreSQL has it by then, says so with a warning, and the answer is no other."""
    settings = msgspec.structs.replace(
        settings,
        dewey_url=own_postgres.url("dewey"),
        reclaim_idle_ms=60_000 if by_hand else 1_000,  # how long an answer is waited for
    )
    bench = Bench(settings)
    waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"

    def replica(name: str) -> None:
        bench.change(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        bench.change("SELECT pg_reload_conf()")
        eventually(lambda: bench.sql("SHOW synchronous_standby_names") == [(name,)], "the change")

    with working(settings) as worker:
        bench.append(bench.records(200))
        eventually(bench.settled, "the path to work")
        replica("nobody")
        bench.append(bench.records(100))
        if by_hand:
            eventually(lambda: bench.sql(f"SELECT count(*) {waiting}") == [(1,)], "a COMMIT")
            assert (bench.stored(), bench.pending()) == (200, 100)
            assert bench.sql(f"SELECT pg_cancel_backend(pid) {waiting}") == [(True,)]
            eventually(bench.settled, "everything acknowledged")
        else:
            eventually(lambda: not worker.ready()["store"], "the worker to wait no longer")
            assert bench.stored() == 200
        replica("")
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(300, 300)]
    bench.close()
    assert bench.audited().clean


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
