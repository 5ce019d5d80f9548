"""Servers that may forget what they accepted: refused, overridden, or said loudly."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest

from godot.embedded.valkey import Valkey
from godot.errors import Refused
from godot.settings import Settings
from godot.stream.snapshot import take
from godot.worker.loop import Worker
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def own(settings: Settings, own_valkey: Valkey) -> Iterator[Bench]:
    bench = Bench(msgspec.structs.replace(settings, redis_url=own_valkey.url))
    yield bench
    bench.close()


def test_a_worker_does_not_start_on_a_redis_that_may_evict_the_stream(own: Bench):
    own.redis.config_set("maxmemory-policy", "volatile-ttl")
    own.append(own.records(10))
    with pytest.raises(Refused, match="maxmemory-policy is volatile-ttl, allowed is noeviction"):
        Worker(own.settings, threading.Event()).run()
    assert own.stored() == 0
    assert own.redis.exists(own.settings.stream) == 1


def test_a_redis_that_becomes_evicting_is_refused_after_its_restart(own: Bench, own_valkey: Valkey):
    caught: list[BaseException] = []

    def work() -> None:
        try:
            worker.run()
        except Refused as exc:
            caught.append(exc)

    stop = threading.Event()
    worker = Worker(own.settings, stop)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        own.append(own.records(10))
        eventually(own.settled, "the path to work")
        own_valkey.stop()
        own_valkey.options += ("--maxmemory-policy", "allkeys-lru")
        own_valkey.start()
        eventually(lambda: caught, "the worker to refuse")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_policy_that_cannot_be_read_is_a_warning_and_the_worker_works(
    own: Bench, own_valkey: Valkey, working, caplog
):
    """As a user of the narrowest kind: everything that the worker needs, and no INFO."""
    own.redis.execute_command(
        *("ACL", "SETUSER", "narrow", "on", ">secret", f"~{own.settings.stream}*"),
        *("-@all", "+@stream", "+@connection", "+eval", "+hgetall", "+hset", "+time"),
    )
    path = urlsplit(own_valkey.url).path
    narrow = msgspec.structs.replace(own.settings, redis_url=f"unix://narrow:secret@{path}?db=0")
    own.append(own.records(10))
    with caplog.at_level(logging.WARNING), working(narrow):
        eventually(own.settled, "everything acknowledged")
    assert own.stored() == 10
    said = {r.message for r in caplog.records if getattr(r, "action", "") == "guard"}
    assert said == {
        "maxmemory-policy could not be read: it must be noeviction",
        "appendonly could not be read: it should be on",
    }
    look = take(narrow)
    assert (look.entries, look.fill_ratio) == (10, 10 / narrow.maxlen)
    assert (look.memory_bytes, look.memory_limit_bytes, look.server_version) == (None, None, None)


def test_no_setting_of_database_role_or_url_makes_a_worker_commit_without_the_disk(
    settings: Settings, bench: Bench, working
):
    """XACK follows the commit, so the writer's session says itself what a commit has to be."""
    assert settings.dewey_url is not None
    name = settings.dewey_url.partition("?")[0].rpartition("/")[2]
    role = f"hasty_{name}"
    bench.change(f"ALTER DATABASE {name} SET synchronous_commit = off")
    bench.change(f"CREATE ROLE {role} LOGIN SUPERUSER")
    bench.change(f"ALTER ROLE {role} SET synchronous_commit = off")
    url = settings.dewey_url.replace("user=godot", f"user={role}")
    url += "&options=-c%20synchronous_commit%3Doff"
    bench.change(
        "CREATE TABLE said (setting text);"
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO said VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;"
        "CREATE TRIGGER say AFTER INSERT ON logs_ledger EXECUTE FUNCTION say()"
    )
    with psycopg.connect(url) as hasty:
        assert hasty.execute("SHOW synchronous_commit").fetchone() == ("off",)
    with working(msgspec.structs.replace(settings, dewey_url=url)):
        bench.append(bench.records(10))
        eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT DISTINCT setting FROM said") == [("on",)]
    bench.change(f"DROP ROLE {role}")
