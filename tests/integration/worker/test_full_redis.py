"""A Redis at its memory limit refuses records; it must recover, and lose none that it accepted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import pytest

from clientlib import LogRecord
from godot.embedded.valkey import Valkey
from godot.errors import GodotError, StreamFull
from godot.stream import guard, pressure
from godot.stream.append import Appender
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from tests.folders import server_folder
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def small(settings) -> Iterator[Bench]:
    """A Redis that some thousand large records fill, and a worker needs many batches for them."""
    with server_folder() as folder:
        server = Valkey(folder / "valkey", maxmemory="6mb")
        server.start()
        bench = Bench(msgspec.structs.replace(settings, redis_url=server.url, batch_max=200))
        yield bench
        bench.close()
        server.stop()


def large(bench: Bench, count: int) -> list[LogRecord]:
    return [msgspec.structs.replace(record, message="m" * 2_000) for record in bench.records(count)]


def fill(bench: Bench) -> int:
    """Append until Redis refuses; return how many records it accepted."""
    with Appender(bench.settings) as appender, suppress(StreamFull):
        for _ in range(10_000):
            appender.append(large(bench, 5))
    added: int = bench.redis.xinfo_stream(bench.settings.stream)["entries-added"]
    assert 1_000 < added < 50_000, "Redis never was full"
    return added


def test_a_full_redis_recovers_by_trimming_settled_entries_only(small: Bench, working):
    client = connect(small.settings)
    Consumer(client, small.settings.stream, small.settings.group, "x").ensure_group()
    small.redis.xgroup_create(small.settings.stream, "another", id="0")
    accepted = fill(small)
    with working(small.settings) as worker:
        eventually(lambda: small.stored() == accepted, "everything stored")
        assert small.redis.xlen(small.settings.stream) == accepted, "another group has not read it"
        small.redis.xgroup_destroy(small.settings.stream, "another")
        eventually(lambda: small.redis.xlen(small.settings.stream) < accepted, "room to be made")
        made = "godot_worker_made_room_entries_total"
        eventually(lambda: worker.registry.get_sample_value(made), "it to be counted")
        small.append(small.records(10))
        eventually(lambda: small.stored() == accepted + 10, "records to flow again")


def test_a_full_redis_recovers_while_the_store_keeps_the_worker_waiting(small: Bench, working):
    small = Bench(msgspec.structs.replace(small.settings, reclaim_idle_ms=600_000))
    with working(small.settings):
        small.append(large(small, 400))
        eventually(small.settled, "the path to work")
        with small.commits_held():
            small.append(small.records(1))
            eventually(lambda: small.committing() == 1, "the batch to be under way")
            accepted = fill(small)
            left = accepted - 400
            eventually(lambda: small.redis.xlen(small.settings.stream) == left, "room to be made")
        eventually(lambda: small.stored() == accepted, "everything stored")
    small.close()


def test_a_worker_that_waits_for_the_store_from_its_start_makes_room(small: Bench, working):
    client = connect(small.settings)
    before = Consumer(client, small.settings.stream, small.settings.group, "before:1:x")
    before.ensure_group()
    small.append(small.records(500))
    before.acknowledge([entry.id for entry in before.read_new(500, None)])
    left = fill(small) - 500
    nowhere = "postgresql://godot@127.0.0.1:1/nowhere"
    with working(msgspec.structs.replace(small.settings, dewey_url=nowhere)):
        eventually(lambda: small.redis.xlen(small.settings.stream) == left, "room to be made")
    close(client)


def test_no_room_is_made_while_our_own_group_is_missing(small: Bench):
    stream, group = small.settings.stream, small.settings.group
    small.append(small.records(10))
    client = connect(small.settings)
    another = Consumer(client, stream, "another", "x")
    another.ensure_group()
    another.acknowledge([entry.id for entry in another.read_new(10, None)])
    assert pressure.trim_settled(client, stream, group) == 0
    ours = Consumer(client, stream, group, "x")
    ours.ensure_group()
    assert pressure.trim_settled(client, stream, group) == 0
    ours.acknowledge([entry.id for entry in ours.read_new(4, None)])
    assert pressure.trim_settled(client, stream, group) == 4
    close(client)


def test_a_full_redis_without_a_group_is_stored_without_it(small: Bench, working):
    accepted = fill(small)
    with working(small.settings):
        eventually(lambda: small.stored() == accepted, "everything stored")
        eventually(small.settled, "the group to exist and be caught up")
        small.append(small.records(10))
        eventually(lambda: small.stored() == accepted + 10, "records to flow again")
    assert small.sql("SELECT count(*) = count(DISTINCT id) FROM logs") == [(True,)]


def test_without_a_group_nothing_goes_that_another_group_has_not_read(small: Bench, working):
    stream, group = small.settings.stream, small.settings.group
    kept = fill(small)
    small.redis.config_set("maxmemory", "7mb")  # room for the other group alone
    client = connect(small.settings)
    slow = Consumer(client, stream, "another", "slow:1:x")
    slow.ensure_group()
    small.redis.config_set("maxmemory", small.redis.info("memory")["used_memory"] - 100_000)

    def names() -> list[bytes]:
        return [one["name"] for one in small.redis.xinfo_groups(stream)]

    def again() -> float:
        labels = {"outcome": "duplicate"}
        return worker.registry.get_sample_value("godot_worker_records_total", labels) or 0.0

    with working(small.settings) as worker:
        eventually(lambda: again() >= 400, "the worker to wait for the other group")
        assert (small.redis.xlen(stream), names()) == (kept, [b"another"])
        slow.acknowledge([entry.id for entry in slow.read_new(300, None)])
        eventually(lambda: small.stored() == kept, "everything stored")
        eventually(lambda: group.encode() in names(), "our group to be made")
        eventually(lambda: small.pending() == 0, "everything acknowledged")
    assert len(slow.read_new(100_000, None)) == kept - 300
    close(client)


def test_an_evicting_policy_is_refused(small: Bench):
    client = connect(small.settings)
    assert guard.check(client) == []
    small.redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(GodotError, match="noeviction"):
        guard.check(client)
    small.redis.config_set("maxmemory", "0")
    assert "evict" in guard.check(client)[0]
    small.redis.config_set("appendonly", "no")
    assert "appendonly" in guard.check(client)[1]


def test_a_user_that_may_not_see_the_memory_makes_room_all_the_same(small: Bench, working):
    client = connect(small.settings)
    Consumer(client, small.settings.stream, small.settings.group, "x").ensure_group()
    close(client)
    small.redis.execute_command(
        *("ACL", "SETUSER", "narrow", "on", ">secret", f"~{small.settings.stream}*"),
        *("-@all", "+@stream", "+@connection", "+eval", "+hgetall", "+hset"),
    )
    path = urlsplit(small.settings.redis_url).path
    narrow = msgspec.structs.replace(small.settings, redis_url=f"unix://narrow:secret@{path}?db=0")
    accepted = fill(small)
    with working(narrow):
        eventually(lambda: small.stored() == accepted, "everything stored")
        eventually(lambda: small.redis.xlen(small.settings.stream) < accepted, "room to be made")
        small.append(small.records(10))
        eventually(lambda: small.stored() == accepted + 10, "records to flow again")
