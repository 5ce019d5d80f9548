"""One look at stream and group: the numbers that CLI, MCP and /metrics all show.

`lag` of XINFO GROUPS is not among them: it is wrong or nil after trimming on every server version.
What can be trusted is time: the first entry after the last delivered one carries its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import redis

from godot.settings import Settings
from godot.stream import producers
from godot.stream.connection import ask, close, connect, told, translated
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import Counters, counters, entry_ids
from godot.stream.producers import ProducerInfo
from godot.stream.rate import Reading


class StreamSnapshot(msgspec.Struct, frozen=True):
    """Stream, group and producers at one moment; what the server cannot tell is None.

    `undelivered_since_ms` is the time of the first entry that no worker has had (None: caught up);
    `pending_since_ms` the time of the oldest entry delivered but not acknowledged. Both are the
    server's milliseconds since 1970, as is `now_ms`.
    """

    stream: str
    group: str
    now_ms: int
    exists: bool
    entries: int
    limit: int
    added: int
    first_id: StreamID | None
    last_id: StreamID | None
    group_exists: bool
    last_delivered_id: StreamID | None
    undelivered: int | None
    undelivered_since_ms: int | None
    pending: int
    pending_since_ms: int | None
    consumers: int
    memory_bytes: int | None
    memory_limit_bytes: int | None
    server_version: str | None
    producers: tuple[ProducerInfo, ...]
    reading: Reading

    @property
    def fill_ratio(self) -> float:
        """Return how full the stream is: of entries or of memory, whichever is higher."""
        by_entries = self.entries / self.limit
        if self.memory_bytes is None or not self.memory_limit_bytes:
            return by_entries
        return max(by_entries, self.memory_bytes / self.memory_limit_bytes)

    @property
    def backlog(self) -> int:
        """Return how many entries are not settled; all of them when the server cannot tell."""
        undelivered = self.entries if self.undelivered is None else self.undelivered
        return min(self.entries, undelivered + self.pending)

    @property
    def room(self) -> int:
        """Return how many entries may come before trimming reaches one that is not settled."""
        return max(0, self.limit - self.backlog)


def take(
    settings: Settings,
    client: redis.Redis | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> StreamSnapshot:
    """Ask the server, in a few round trips; raise StreamUnavailable when it is away."""
    own = client is None
    client = client or connect(settings)
    try:
        return _take(settings, client, clock)
    finally:
        if own:
            close(client)


def read_again(settings: Settings) -> Reading:
    """Look at the counters alone, for a rate since an earlier snapshot."""
    client = connect(settings)
    try:
        stream, group = _counters(client, stream_key(settings.stream), settings.group)
        return _reading(stream, group, time.monotonic())
    finally:
        close(client)


def _take(settings: Settings, client: redis.Redis, clock: Callable[[], float]) -> StreamSnapshot:
    key = stream_key(settings.stream)
    with translated(client):
        seconds, micros = client.time()
    server, memory = told(client, "server"), told(client, "memory")
    stream, group = _counters(client, key, settings.group)
    reading = _reading(stream, group, clock())
    delivered = StreamID.parse(group[b"last-delivered-id"]) if group else None
    undelivered_since = _first_after(client, key, delivered) if stream else None
    return StreamSnapshot(
        stream=key,
        group=settings.group,
        now_ms=int(seconds) * 1000 + int(micros) // 1000,
        exists=stream is not None,
        entries=stream.length if stream else 0,
        limit=settings.maxlen,
        added=stream.added if stream else 0,
        first_id=stream and stream.first,
        last_id=stream and stream.last,
        group_exists=group is not None,
        last_delivered_id=delivered,
        undelivered=0 if undelivered_since is None else _undelivered(stream, group),
        undelivered_since_ms=undelivered_since,
        pending=int(group[b"pending"]) if group else 0,
        pending_since_ms=_oldest_pending(client, key, settings.group) if group else None,
        consumers=int(group[b"consumers"]) if group else 0,
        memory_bytes=memory.get("used_memory"),
        memory_limit_bytes=memory.get("maxmemory"),
        server_version=_version(server),
        producers=tuple(producers.read(client, key)[0]),
        reading=reading,
    )


def _counters(
    client: redis.Redis, key: str, name: str
) -> tuple[Counters | None, dict[bytes, Any] | None]:
    stream = counters(client, key)
    groups = [] if stream is None else ask(client, "XINFO", "GROUPS", key)
    return stream, next((group for group in groups if group[b"name"] == name.encode()), None)


def _reading(stream: Counters | None, group: dict[bytes, Any] | None, at_s: float) -> Reading:
    """Without a group nothing is read; Redis leaves `entries-read` out where it lost count."""
    read = 0 if group is None else group[b"entries-read"]
    return Reading(
        at_s,
        stream.added if stream else 0,
        None if read is None else int(read),
        int(group[b"pending"]) if group else 0,
    )


def _first_after(client: redis.Redis, key: str, delivered: StreamID | None) -> int | None:
    start = f"({delivered}" if delivered else "-"
    found = entry_ids(client, "XRANGE", key, start, "+", 1)
    return found[0].ms if found else None


def _undelivered(stream: Counters | None, group: dict[bytes, Any] | None) -> int | None:
    """Return how many entries wait, where the server's count is known to be right.

    That is: nothing delivered yet, or nothing trimmed beyond what was delivered.
    """
    if stream is None:
        return 0
    if group is None:
        return stream.length
    delivered = StreamID.parse(group[b"last-delivered-id"])
    if stream.first is None or delivered < stream.first:
        return stream.length
    read = group[b"entries-read"]
    return None if read is None else max(0, stream.added - int(read))


def _oldest_pending(client: redis.Redis, key: str, group: str) -> int | None:
    found = ask(client, "XPENDING", key, group)
    return StreamID.parse(found[1]).ms if found and found[0] else None


def _version(server: dict[str, object]) -> str | None:
    for name in ("valkey", "redis"):
        if f"{name}_version" in server:
            return f"{name} {server[f'{name}_version']}"
    return None
