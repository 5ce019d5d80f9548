"""Facts about a Redis and what this login may do there, for whoever looks after it.

Facts, not judgements: what of them is wrong, and what to do, says `godot.doctor`.
"""

from __future__ import annotations

import time

import msgspec
import redis

from godot.settings import Settings
from godot.stream import producers
from godot.stream.connection import ask_if_allowed, close, connect, told, translated
from godot.stream.keys import levels_key, producers_key, stream_key
from godot.stream.snapshot import version


class RedisFacts(msgspec.Struct, frozen=True):
    """One server as we see it; what it does not tell is None.

    `answer_ms` is a round trip, `clock_ahead_ms` by how much its clock is ahead of ours. `refused`
    are commands that a worker or a program needs and this login may not send (None: it may not even
    ask). `odd_announcements` are fields of the producers' hash that nobody can read.
    """

    version: str | None
    answer_ms: float
    clock_ahead_ms: float | None
    policy: str | None
    memory_limit_bytes: int | None
    appendonly: bool | None
    last_save_failed: bool
    cluster: bool
    refused: tuple[str, ...] | None
    odd_announcements: int


def read(settings: Settings) -> RedisFacts:
    """Ask the server; raise StreamUnavailable when it is away."""
    client = connect(settings)
    try:
        return _read(client, stream_key(settings.stream), settings.group)
    finally:
        close(client)


def _read(client: redis.Redis, stream: str, group: str) -> RedisFacts:
    with translated(client):
        client.ping()  # the connection is made now, and not while we measure
        began = time.monotonic()
        client.ping()
        answer_ms = (time.monotonic() - began) * 1000
    server, memory = told(client, "server"), told(client, "memory")
    persistence = told(client, "persistence")
    aof = persistence.get("aof_enabled")
    failed = "err" in (
        persistence.get("rdb_last_bgsave_status"),
        persistence.get("aof_last_write_status"),
    )
    return RedisFacts(
        version=version(server),
        answer_ms=answer_ms,
        clock_ahead_ms=_clock_ahead_ms(client),
        policy=memory.get("maxmemory_policy"),
        memory_limit_bytes=memory.get("maxmemory"),
        appendonly=None if aof is None else bool(aof),
        last_save_failed=failed,
        cluster=server.get("redis_mode") == "cluster",
        refused=_refused(client, stream, group),
        odd_announcements=producers.read(client, stream)[1],
    )


def _clock_ahead_ms(client: redis.Redis) -> float | None:
    """Compare clocks, each way of the question taken for half of it."""
    before = time.time()
    there = ask_if_allowed(client, "TIME")
    after = time.time()
    if there is None:
        return None
    seconds, micros = there
    return (int(seconds) + int(micros) / 1e6 - (before + after) / 2) * 1000


def _refused(client: redis.Redis, stream: str, group: str) -> tuple[str, ...] | None:
    """Ask which commands this login may not send, without sending them."""
    user = ask_if_allowed(client, "ACL", "WHOAMI")
    if user is None:
        return None
    refused = []
    for command in _needed(stream, group):
        said = ask_if_allowed(client, "ACL", "DRYRUN", user, *command)
        if said is None:
            return None
        if said not in (b"OK", "OK", True):
            refused.append(command[0].upper())
    return tuple(dict.fromkeys(refused))


def _needed(stream: str, group: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that programs and workers live by."""
    producers_, levels = producers_key(stream), levels_key(stream)
    return (
        ("XADD", stream, "*", "a", "b"),
        ("HSET", producers_, "a", "b"),
        ("HGETALL", producers_),
        ("HGETALL", levels),
        ("XINFO", "GROUPS", stream),
        ("XGROUP", "CREATE", stream, group, "0"),
        ("XREADGROUP", "GROUP", group, "a", "STREAMS", stream, ">"),
        ("xack", stream, group, "1-0"),  # asked about, and sent by nobody here
        ("XPENDING", stream, group),
        ("XCLAIM", stream, group, "a", "0", "1-0"),
        ("XAUTOCLAIM", stream, group, "a", "0", "0"),
        ("XRANGE", stream, "-", "+"),
        ("XTRIM", stream, "MINID", "0"),
        ("EVAL", "return 1", "1", stream),
    )
