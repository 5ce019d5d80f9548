"""One look at a stream and its groups; `godot.snapshot` makes of it what everybody shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from godot.errors import StreamLost
from godot.settings import Settings
from godot.stream import groups, producers
from godot.stream.asking import Client, ask_together, insisted
from godot.stream.behaviour import Mark
from godot.stream.direct import Direct, Unusual, address
from godot.stream.groups import Group
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import Counters, counters, counters_of, counting
from godot.stream.producers import ProducerInfo
from godot.stream.rate import Reading

if TYPE_CHECKING:
    import redis


class StreamSnapshot(msgspec.Struct, frozen=True):
    """Stream, groups and producers at one moment; what the server cannot tell is None.

    `now_ms` is the server's milliseconds since 1970, `at_s` our monotonic clock. `group` is ours,
    also while it does not exist; `others` are what else reads this stream. `bytes` is what the
    stream takes in the server's memory, of which `memory_bytes` of `memory_limit_bytes` (0: none)
    are in use.
    """

    stream: str
    now_ms: int
    at_s: float
    exists: bool
    entries: int
    limit: int
    added: int
    first_id: StreamID | None
    last_id: StreamID | None
    bytes: int | None
    group: Group
    others: tuple[Group, ...]
    memory_bytes: int | None
    memory_limit_bytes: int | None
    server_version: str | None
    producers: tuple[ProducerInfo, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return our group and the others."""
        return (self.group, *self.others)

    @property
    def fill_ratio(self) -> float:
        """Return how full the stream is: of entries or of memory, whichever is higher."""
        by_entries = self.entries / self.limit
        if self.memory_bytes is None or not self.memory_limit_bytes:
            return by_entries
        return max(by_entries, self.memory_bytes / self.memory_limit_bytes)

    @property
    def backlog(self) -> int:
        """Return how many entries are not settled, at most where the server cannot tell."""
        waiting = self.group.undelivered
        if waiting is None:
            waiting = self.entries if self.group.read is None else self.added - self.group.read
        return min(self.entries, max(0, waiting) + self.group.pending)

    @property
    def room(self) -> int:
        """Return how many entries may come before trimming reaches one that is not settled."""
        return max(0, self.limit - self.backlog)

    def reading(self, group: Group) -> Reading:
        """Return the counters that a rate is made of."""
        return Reading(self.at_s, self.added, group.read, group.pending)

    def mark(self, group: Group) -> Mark:
        """Return what the group's behaviour is judged by."""
        return Mark(
            self.at_s,
            group.waiting_ms,
            group.active > 0,
            group.read,
            group.pending,
            group.last_delivered_id,
        )


class Looks:
    """Looks over one connection, for whoever takes more than one."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        server = address(settings.redis_url)
        self._direct = None if server is None else Direct(server)
        self._client: redis.Redis | None = None

    def __enter__(self) -> Looks:
        return self

    def __exit__(self, *_: object) -> None:
        if self._direct is not None:
            self._direct.close()
        if self._client is not None:
            from godot.stream.connection import close

            close(self._client)

    def take(self) -> StreamSnapshot:
        """Ask the server, in a few round trips; raise StreamUnavailable when it is away."""
        if self._direct is not None:
            try:
                return _take(self._settings, self._direct, self._clock)
            except Unusual:
                self._direct.close()
                self._direct = None
        if self._client is None:
            from godot.stream.connection import connect

            self._client = connect(self._settings)
        return _take(self._settings, self._client, self._clock)


def take(settings: Settings) -> StreamSnapshot:
    """Take a single look; raise StreamUnavailable when the server is away."""
    with Looks(settings) as looks:
        return looks.take()


def _take(settings: Settings, client: Client, clock: Callable[[], float]) -> StreamSnapshot:
    key = stream_key(settings.stream)
    time_told, server, memory, told, listed, size, announced = ask_together(
        client,
        ("TIME",),
        ("INFO", "server"),
        ("INFO", "memory"),
        counting(key),
        groups.listing(key),
        ("MEMORY", "USAGE", key),
        producers.reading(key),
    )
    seconds, micros = insisted(client, time_told, "TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    announced = insisted(client, announced, *producers.reading(key))
    stream = _counters(client, key, told)
    found: dict[str, Group] = {}
    if stream is not None:
        there = groups.read(client, key, stream, listed, now_ms, settings.reclaim_idle_ms)
        found = {group.name: group for group in there}
    ours = found.pop(settings.group, None)
    if ours is None:  # it begins at the stream's beginning, whoever makes it
        ours = groups.not_made_yet(client, key, settings.group, stream, now_ms)
    return StreamSnapshot(
        stream=key,
        now_ms=now_ms,
        at_s=clock(),
        exists=stream is not None,
        entries=stream.length if stream else 0,
        limit=settings.maxlen,
        added=stream.added if stream else 0,
        first_id=stream and stream.first,
        last_id=stream and stream.last,
        bytes=size if stream else None,
        group=ours,
        others=tuple(found.values()),
        memory_bytes=memory and memory.get("used_memory"),
        memory_limit_bytes=memory and memory.get("maxmemory"),
        server_version=server and version(server),
        producers=tuple(producers.understood(announced)[0]),
    )


def _counters(client: Client, key: str, told: Any) -> Counters | None:
    """Read what was told of the stream; ask in the other way where no script may be run."""
    if told is None:
        return counters(client, key)
    return None if isinstance(told, StreamLost) else counters_of(told)


def version(server: dict[str, object]) -> str | None:
    """Return a server's name and version, by a section of its INFO."""
    for name in ("valkey", "redis"):
        if f"{name}_version" in server:
            return f"{name} {server[f'{name}_version']}"
    return None
