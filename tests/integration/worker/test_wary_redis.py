"""A Redis that answers, and refuses writes for a while: the worker outlives it and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from godot.embedded.valkey import Valkey
from godot.settings import Settings
from tests.integration.worker.conftest import Bench, eventually

NOBODY = ("127.0.0.1", 1)  # a master that is not there: the replica keeps what it has


@pytest.fixture
def own(settings: Settings, own_valkey: Valkey) -> Iterator[Bench]:
    bench = Bench(msgspec.structs.replace(settings, redis_url=own_valkey.url))
    yield bench
    bench.close()


def refuses(bench: Bench, word: str) -> bool:
    """Say whether reading and writing is refused with this word, in the server's own answer."""
    try:
        bench.redis.get("probe")
        bench.redis.set("probe", 1)
    except redis.RedisError as exc:
        return word.lower() in f"{type(exc).__name__} {exc}".lower()
    return False


def read_only(bench: Bench) -> Callable[[], object]:
    bench.redis.replicaof(*NOBODY)
    return lambda: bench.redis.replicaof("NO", "ONE")


def master_down(bench: Bench) -> Callable[[], object]:
    bench.redis.config_set("replica-serve-stale-data", "no")
    return read_only(bench)


def misconf(bench: Bench) -> Callable[[], object]:
    """Let saving to disk fail: where the file should be stands a folder."""
    found: Any = bench.redis.config_get("dir")
    folder = Path(found["dir"]) / "dump.rdb" / "in the way"
    folder.mkdir(parents=True)
    bench.redis.config_set("save", "3600 1")
    bench.redis.bgsave()
    eventually(
        lambda: bench.redis.info("persistence")["rdb_last_bgsave_status"] == "err",
        "saving to fail",
    )
    return lambda: bench.redis.config_set("save", "")


@pytest.mark.parametrize(
    ("refuse", "word"),
    [(read_only, "readonly"), (master_down, "masterdown"), (misconf, "misconf")],
)
def test_a_worker_outlives_a_redis_that_refuses_writes(own: Bench, working, refuse, word):
    with working(own.settings) as worker:
        own.append(own.records(50))
        eventually(own.settled, "the path to work")
        mend = refuse(own)
        eventually(lambda: refuses(own, word), f"Redis to answer {word}")
        eventually(lambda: not worker.ready()["redis"], "the worker to be told")
        mend()
        own.append(own.records(50))
        eventually(own.settled, "everything acknowledged")
        eventually(lambda: all(worker.ready().values()), "the worker to be well")
    assert own.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(100, 100)]
    assert own.audited().clean


def test_entries_in_hand_when_redis_turns_read_only_are_stored_once(own: Bench, working):
    patient = msgspec.structs.replace(own.settings, reclaim_idle_ms=60_000)
    with working(patient) as worker:
        with own.commits_held():
            own.append(own.records(50))
            eventually(lambda: own.committing() == 1, "the batch to be under way")
            mend = read_only(own)
        eventually(lambda: not worker.ready()["redis"], "XACK to be refused")
        assert (own.stored(), own.pending()) == (50, 50)
        mend()
        eventually(own.settled, "everything acknowledged, long before any reclaim")
    assert own.stored() == 50
    assert own.audited().clean


def test_a_worker_waits_while_redis_loads_its_file(own: Bench, own_valkey: Valkey, working):
    slow = ("--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024")
    pipe = own.redis.pipeline(transaction=False)
    for _ in range(20_000):  # while it loads, it answers after every thousand commands
        pipe.incr("filler")
    pipe.execute()
    with working(own.settings) as worker:
        own.append(own.records(50))
        eventually(own.settled, "the path to work")
        own.append(own.records(50))
        own_valkey.kill()
        eventually(lambda: not worker.ready()["redis"], "the worker to notice")
        own_valkey.options += slow
        own_valkey.launch()
        eventually(lambda: refuses(own, "loading"), "Redis to say that it is loading")
        eventually(own.settled, "everything acknowledged")
    assert own.stored() == 100
    assert own.audited().clean
