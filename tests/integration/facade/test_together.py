"""Records that come while others are on their way to Redis."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest
import redis

from clientlib import LogRecord, RecordError, parse_record_id
from godot.delivery import Delivery
from godot.embedded.valkey import Valkey
from godot.errors import Forbidden, GodotError, StreamFull, StreamUnavailable
from godot.facade.together import AT_ONCE, Together
from godot.settings import Settings
from tests.folders import server_folder
from tests.users import EVERYTHING, acl_file, socket_url

Outcome = LogRecord | BaseException


async def appended(together: Together, *messages: str, level: str = "INFO") -> list[Outcome]:
    """Append all at once; return what each caller was told."""
    parts = [("agent", message, level, {"i": i}, None) for i, message in enumerate(messages)]
    return await asyncio.gather(*(together.append(*one) for one in parts), return_exceptions=True)


def ids_in_stream(settings: Settings) -> list[str]:
    with redis.Redis.from_url(settings.redis_url, protocol=3) as client:
        return [fields[b"id"].decode() for _, fields in client.xrange(settings.stream)]


def accepted(found: list[Outcome]) -> list[str]:
    return [one.id for one in found if isinstance(one, LogRecord)]


def test_each_of_many_hears_of_his_own_record(settings):
    async def test() -> list[Outcome]:
        together = Together(delivery)
        good, bad = await asyncio.gather(
            appended(together, *map(str, range(3 * AT_ONCE))),
            appended(together, "a", "b", level="LOUD"),
        )
        assert [type(one) for one in bad] == [RecordError] * 2
        return good

    with Delivery(settings) as delivery:
        found = asyncio.run(test())
    assert [one.message for one in found if isinstance(one, LogRecord)] == [*map(str, range(300))]
    assert ids_in_stream(settings) == accepted(found)
    numbers = [parse_record_id(one) for one in accepted(found)]
    assert [one.sequence for one in numbers if one] == [*range(1, 301)]
    assert len({one.producer for one in numbers if one}) == 1


def test_who_gives_up_before_his_turn_has_written_nothing(settings):
    async def test() -> list[Outcome]:
        together = Together(delivery)
        first = asyncio.create_task(appended(together, "first"))
        await asyncio.sleep(0)
        given_up = asyncio.create_task(appended(together, "given up"))
        last = asyncio.create_task(appended(together, "last"))
        await asyncio.sleep(0)
        given_up.cancel()
        return [*await first, *await last]

    with Delivery(settings) as delivery:
        found = asyncio.run(test())
    assert ids_in_stream(settings) == accepted(found)
    assert len(accepted(found)) == 2


@pytest.fixture
def small(settings: Settings) -> Iterator[Settings]:
    """A Redis that some thousand records fill."""
    with server_folder() as folder:
        server = Valkey(folder / "valkey", maxmemory="6mb")
        server.start()
        yield msgspec.structs.replace(settings, redis_url=server.url)
        server.stop()


def test_a_full_redis_has_all_of_a_trip_or_nothing(small):
    """Else a caller is told that his record was refused, and a hole looks like a loss."""

    async def test() -> list[Outcome]:
        together, found = Together(delivery), []
        for _ in range(200):
            found += await appended(together, *(f"{i} {'x' * 3_000}" for i in range(50)))
            if not isinstance(found[-1], LogRecord):
                return found
        raise AssertionError("Redis never was full")

    with Delivery(small) as delivery:
        found = asyncio.run(test())
    refused = [one for one in found if not isinstance(one, LogRecord)]
    assert {type(one) for one in refused} == {StreamFull}
    assert ids_in_stream(small) == accepted(found)
    numbers = [parse_record_id(one) for one in accepted(found)]
    assert [one.sequence for one in numbers if one] == [*range(1, len(numbers) + 1)]


def test_a_server_that_is_away_is_told_to_each_and_does_not_last(settings):
    async def test(delivery: Delivery) -> list[Outcome]:
        together = Together(delivery)
        with pytest.raises(GodotError):
            await together.append("agent", "alone", "INFO", None, None)
        return await appended(together, "a", "b", "c")

    with server_folder() as folder:
        server = Valkey(folder / "valkey")
        server.start()
        away = msgspec.structs.replace(settings, redis_url=server.url)
        with Delivery(away) as delivery:
            server.stop()
            found = asyncio.run(test(delivery))
            assert not accepted(found)
            assert len(found) == 3
            server.start()
            found = asyncio.run(appended(Together(delivery), "a", "b", "c"))
        assert ids_in_stream(away) == accepted(found)
        assert len(accepted(found)) == 3
        server.stop()


def test_those_who_bring_much_need_not_fit_into_redis_all_at_once(settings):
    """Until EXEC a transaction is held beside the stream, from which nothing goes meanwhile."""

    async def test(delivery: Delivery) -> list[Outcome]:
        data = {"text": "x" * 200_000}
        append = Together(delivery).append
        parts = [("agent", f"{i}", "INFO", data, None) for i in range(AT_ONCE)]
        return await asyncio.gather(*(append(*one) for one in parts), return_exceptions=True)

    with server_folder() as folder:
        server = Valkey(folder / "valkey", maxmemory="16mb")
        server.start()
        short = msgspec.structs.replace(settings, redis_url=server.url, maxlen=10)
        with Delivery(short) as delivery:
            found = asyncio.run(test(delivery))
        server.stop()
    assert len(accepted(found)) == AT_ONCE


def test_records_have_a_thread_of_their_own(settings):
    """All the others may be waiting for PostgreSQL, to cancel what nobody waits for any more."""

    async def test(delivery: Delivery) -> list[Outcome]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        over = threading.Event()
        waiting = asyncio.create_task(anyio.to_thread.run_sync(over.wait))
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(10):
                return await appended(Together(delivery), "a", "b")
        finally:
            over.set()
            await waiting

    with Delivery(settings) as delivery:
        assert len(accepted(asyncio.run(test(delivery)))) == 2


def test_where_no_thread_can_be_had_each_is_told_and_it_does_not_last(settings, monkeypatch):
    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def test(delivery: Delivery) -> list[Outcome]:
        together = Together(delivery)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_room)
            async with asyncio.timeout(10):
                refused = await appended(together, "a", "b")
        assert [str(one) for one in refused] == ["can't start new thread"] * 2
        return await appended(together, "c", "d")

    with Delivery(settings) as delivery:
        found = asyncio.run(test(delivery))
    assert ids_in_stream(settings) == accepted(found)
    assert len(accepted(found)) == 2


def test_of_what_was_refused_little_is_kept_until_garbage_is_looked_for(settings, tmp_path):
    """An error knows its frames, they the records: with a server away that is all that came."""

    async def test(delivery: Delivery) -> list[Outcome]:
        return await appended(Together(delivery), *(f"{i}{'x' * 60_000}" for i in range(10)))

    away = msgspec.structs.replace(settings, redis_url=f"unix://{tmp_path}/nobody?db=0")
    with Delivery(away) as delivery:
        asyncio.run(test(delivery))
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(10):
                assert not accepted(asyncio.run(test(delivery)))
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert kept < 10_000_000  # the messages are six million bytes; each is packed twice


class Odd(dict[str, object]):
    def items(self) -> Any:
        raise OSError("cannot be read")


def test_a_record_that_cannot_be_made_leaves_no_hole_in_the_numbers(settings):
    async def test(delivery: Delivery) -> list[Outcome]:
        append = Together(delivery).append
        given: tuple[dict[str, object], ...] = ({}, Odd(a=1), {})
        parts = [("agent", "m", "INFO", data, None) for data in given]
        return await asyncio.gather(*(append(*one) for one in parts), return_exceptions=True)

    with Delivery(settings) as delivery:
        found = asyncio.run(test(delivery))
    assert isinstance(found[1], OSError)
    assert ids_in_stream(settings) == accepted(found)
    numbers = [parse_record_id(one) for one in accepted(found)]
    assert [one.sequence for one in numbers if one] == [1, 1]  # the second is another producer's


@contextmanager
def users(settings: Settings) -> Iterator[tuple[Settings, Settings]]:
    """A Redis with our users; gives the settings of `tools`, and of who may do everything."""
    with server_folder() as folder:
        acl = acl_file(folder, settings.stream, default=EVERYTHING)
        server = Valkey(folder / "valkey", options=("--aclfile", str(acl)))
        server.start()
        urls = (socket_url("tools", server.socket), server.url)
        try:
            tools, admin = (msgspec.structs.replace(settings, redis_url=url) for url in urls)
            yield tools, admin
        finally:
            server.stop()


def asked(settings: Settings, *command: str) -> Any:
    with redis.Redis.from_url(settings.redis_url, protocol=3) as client:
        return client.execute_command(*command)


@pytest.mark.parametrize("forbidden", [("-multi", "-exec"), ("-multi",), ("-exec",)])
def test_a_user_who_may_not_send_transactions_appends_all_the_same(settings, forbidden):
    with users(settings) as (tools, admin):
        asked(admin, "ACL", "SETUSER", "tools", *forbidden)
        with Delivery(tools) as delivery:
            found = [
                one for _ in range(2) for one in asyncio.run(appended(Together(delivery), *"abcde"))
            ]
        assert len(accepted(found)) == 10
        assert ids_in_stream(admin) == accepted(found)  # none of them twice


def test_who_may_not_append_for_a_while_sends_transactions_again_afterwards(settings):
    with users(settings) as (tools, admin), Delivery(tools) as delivery:
        asked(admin, "ACL", "SETUSER", "tools", "-xadd")
        refused = asyncio.run(appended(Together(delivery), "a", "b"))
        assert {type(one) for one in refused} == {Forbidden}
        asked(admin, "ACL", "SETUSER", "tools", "+xadd")
        found = asyncio.run(appended(Together(delivery), "a", "b"))
        assert ids_in_stream(admin) == accepted(found)
        assert asked(admin, "INFO", "commandstats")["cmdstat_multi"]["calls"] == 2


def test_what_redis_refuses_says_why_and_nothing_of_the_records(settings):
    """Those of one trip are told the same, and need not be able to read each other's."""
    with server_folder() as folder:
        server = Valkey(folder / "valkey", options=("--min-replicas-to-write", "1"))
        server.start()
        alone = msgspec.structs.replace(settings, redis_url=server.url)
        with Delivery(alone) as delivery:
            found = asyncio.run(appended(Together(delivery), "a", "b"))
        server.stop()
    assert {type(one) for one in found} == {StreamUnavailable}
    why = "Redis cannot be used: NOREPLICAS Not enough good replicas to write."
    assert {str(one) for one in found} == {why}
