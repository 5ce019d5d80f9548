"""A look without redis-py sees what one over redis-py sees, and leaves to it what it cannot say."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import redis

from godot.errors import LoginRefused, NotAStream, StreamUnavailable
from godot.settings import Settings
from godot.stream import connection, direct, snapshot
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.producers import ProducerInfo, announce
from tests.integration.worker.conftest import Bench
from tests.proxy import Proxy

SECRET = "s@cr?t/"


def seen(settings: Settings) -> snapshot.StreamSnapshot:
    """Take a look and leave out what differs from one moment to the next."""
    found = snapshot.take(settings)
    groups = [
        msgspec.structs.replace(
            group,
            waiting_ms=0,
            consumers=tuple(
                msgspec.structs.replace(one, idle_ms=0, inactive_ms=one.inactive_ms and 0)
                for one in group.consumers
            ),
        )
        for group in found.groups
    ]
    return msgspec.structs.replace(
        found, now_ms=0, at_s=0.0, memory_bytes=1, group=groups[0], others=tuple(groups[1:])
    )


@contextmanager
def only_redis_py() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "address", lambda url: None)
        yield


@pytest.fixture
def never_redis_py(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("this look was handed on to redis-py")

    monkeypatch.setattr(connection, "connect", refuse)


def with_user(bench: Bench, *rights: str) -> Settings:
    """Return settings of a user who has these rights."""
    name = bench.settings.stream
    bench.redis.execute_command("ACL", "SETUSER", name, "on", f">{SECRET}", "~*", *rights)
    path = urlsplit(bench.settings.redis_url).path
    assert path.endswith(".sock")
    login = f"unix://{name}:s%40cr%3Ft%2F@{path}?db=0"
    return msgspec.structs.replace(bench.settings, redis_url=login)


@pytest.fixture
def removed(bench: Bench) -> Iterator[None]:
    yield
    bench.redis.acl_deluser(bench.settings.stream)


def test_both_ways_see_the_same(bench: Bench, settings: Settings):
    def same() -> snapshot.StreamSnapshot:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "connect", lambda _: pytest.fail("handed on to redis-py"))
            found = seen(settings)
        with only_redis_py():
            theirs = seen(settings)
        assert msgspec.structs.asdict(theirs) == msgspec.structs.asdict(found)
        return found

    assert (same().exists, same().group.exists) == (False, False)
    bench.append(bench.records(5))
    bench.redis.xgroup_create(settings.stream, "archive", id="0")
    assert same().group.undelivered == 5
    client = connect(settings)
    info = ProducerInfo(7, 5, "shop", "host", 1, "py/1", "2026-01-01T00:00:00Z", 0)
    announce(client, settings.stream, info)
    worker = Consumer(client, settings.stream, settings.group, "w:1:x")
    worker.ensure_group()
    worker.acknowledge([entry.id for entry in worker.read_new(3, None)][:2])
    close(client)
    found = same()
    assert (found.group.pending, found.group.undelivered, found.group.read) == (1, 2, 3)
    assert ([group.name for group in found.others], found.entries) == (["archive"], 5)
    assert found.producers == (info,)
    bench.redis.delete(settings.stream)
    assert not same().exists


@pytest.mark.usefixtures("never_redis_py")
def test_another_database_is_looked_at_where_the_url_names_one(settings: Settings):
    url = settings.redis_url.replace("db=0", "db=3")
    with redis.Redis.from_url(url) as third:
        third.xadd(settings.stream, {"message": "m"})
        assert snapshot.take(msgspec.structs.replace(settings, redis_url=url)).entries == 1
        third.delete(settings.stream)
    assert not snapshot.take(settings).exists


@pytest.mark.usefixtures("removed", "never_redis_py")
def test_what_a_user_may_not_ask_is_unknown_and_needs_no_redis_py(bench: Bench):
    bench.append(bench.records(2))
    narrow = ("-@all", "+@stream", "+@connection", "+eval", "+hgetall", "+time")
    found = seen(with_user(bench, *narrow))
    assert (found.entries, found.bytes, found.server_version) == (2, None, None)
    found = seen(with_user(bench, "+@all", "-@scripting"))
    assert (found.entries, found.bytes is None, found.group.undelivered) == (2, False, 2)


@pytest.mark.usefixtures("removed")
def test_redis_py_says_what_is_wrong(bench: Bench, settings: Settings):
    user = with_user(bench, "+@all")
    wrong = msgspec.structs.replace(user, redis_url=user.redis_url.replace("s%40", "x"))
    with pytest.raises(LoginRefused, match="Redis refuses the login"):
        snapshot.take(wrong)
    for url, why in (
        ("redis://127.0.0.1:1/0", "Connection refused"),
        ("unix:///nowhere/valkey.sock?db=0", "No such file"),
    ):
        with pytest.raises(StreamUnavailable, match=why):
            snapshot.take(msgspec.structs.replace(settings, redis_url=url))
    bench.redis.set(settings.stream, "text")
    with pytest.raises(NotAStream):
        snapshot.take(settings)


def test_a_connection_that_is_cut_between_two_looks_costs_no_look(bench: Bench, settings: Settings):
    bench.append(bench.records(3))
    with snapshot.Looks(settings) as looks:
        assert looks.take().entries == 3
        for told in bench.redis.client_list(_type="normal"):
            if told["name"] == "godot":
                bench.redis.client_kill_filter(_id=told["id"])
        assert looks.take().entries == 3


def test_a_server_that_never_answers_is_away_after_one_wait(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(direct, "ANSWER_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        stuck = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{port}/0")
        with only_redis_py(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "ANSWER_TIMEOUT_S", 0.1)
            with pytest.raises(StreamUnavailable) as theirs:
                snapshot.take(stuck)
        monkeypatch.setattr(connection, "connect", lambda _: pytest.fail("asked a second time"))
        with pytest.raises(StreamUnavailable) as ours:
            snapshot.take(stuck)
    assert str(ours.value) == str(theirs.value)


def test_answers_that_come_too_late_are_no_answers_to_the_next_look(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(direct, "ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(connection, "connect", lambda _: pytest.fail("handed on to redis-py"))
    with Proxy(Path(urlsplit(settings.redis_url).path)) as proxy:
        distant = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}/0")
        with snapshot.Looks(distant) as looks:
            assert not looks.take().exists
            proxy.reply_delay_s = 1.3
            with pytest.raises(StreamUnavailable, match="Timeout reading"):
                looks.take()
            bench.append(bench.records(3))
            proxy.heal()
            assert looks.take().entries == 3


def test_what_a_server_says_unasked_is_no_answer(bench: Bench, settings: Settings):
    server = direct.address(settings.redis_url)
    assert server is not None
    with closing(direct.Direct(server)) as asking:
        asking.answers(("CLIENT", "TRACKING", "ON", "BCAST"))
        bench.redis.set(settings.stream, "changed")  # of which the server tells whoever tracks keys
        assert asking.answers(("ECHO", "a"), ("GET", settings.stream)) == [b"a", b"changed"]
