"""One look at a stream and its groups; `godot.snapshot` makes of it what everybody shows.

`lag` of XINFO GROUPS is not among the numbers: it is wrong or nil after trimming on every server
version. What can be trusted is time: the first entry after the last delivered one carries its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import redis

from godot.errors import StreamLost
from godot.settings import Settings
from godot.stream import producers
from godot.stream.behaviour import Mark, State
from godot.stream.connection import ask, ask_together, close, connect
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import Counters, counters, counters_of, counting, entry_ids
from godot.stream.producers import ProducerInfo
from godot.stream.rate import Reading

IDLE_WORKER_MS = 10_000  # one without work asks for some every second


class ConsumerInfo(msgspec.Struct, frozen=True):
    """One consumer of a group: what it holds, how long it was silent, how long without success.

    `inactive_ms` is None on servers before Redis 7.2, and while it never got anything.
    `heard_of` is False for one whose entries others may take, or that asks for none any more.
    """

    name: str
    pending: int
    idle_ms: int
    inactive_ms: int | None
    heard_of: bool


class Group(msgspec.Struct, frozen=True):
    """A group at one moment; what the server cannot tell is None.

    `waiting_ms` is the age of the oldest entry that is not settled, and 0 when there is none.
    `undelivered_since_ms` is the time of the first entry that no worker has had (None: caught up),
    `pending_since_ms` that of the oldest one delivered but not acknowledged: the server's
    milliseconds since 1970. `overrun` counts entries that were trimmed before anybody had them, as
    far as that shows: the group's next read covers it up. `state` and `settled_per_s` take a second
    look, see godot.snapshot.
    """

    name: str
    exists: bool
    last_delivered_id: StreamID | None
    read: int | None
    undelivered: int | None
    undelivered_since_ms: int | None
    pending: int
    pending_since_ms: int | None
    overrun: int | None
    waiting_ms: int
    consumers: tuple[ConsumerInfo, ...] = ()
    state: State = "unknown"
    settled_per_s: float | None = None

    @property
    def active(self) -> int:
        """Return how many of the consumers were heard of lately."""
        return sum(consumer.heard_of for consumer in self.consumers)

    @property
    def waiting_since_ms(self) -> int | None:
        """Return the time of the oldest entry that is not settled; None when there is none."""
        since = [at for at in (self.undelivered_since_ms, self.pending_since_ms) if at is not None]
        return min(since, default=None)


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


def _take(settings: Settings, client: redis.Redis, clock: Callable[[], float]) -> StreamSnapshot:
    key = stream_key(settings.stream)
    seconds, micros = ask(client, "TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    server, memory, told, listed, size, announced = ask_together(
        client,
        ("INFO", "server"),
        ("INFO", "memory"),
        counting(key),
        ("XINFO", "GROUPS", key),
        ("MEMORY", "USAGE", key),
        producers.reading(key),
    )
    if listed is None:  # asked alone, it says what is refused
        listed = ask(client, "XINFO", "GROUPS", key)
    if announced is None:
        announced = ask(client, *producers.reading(key))
    stream = _counters(client, key, told)
    groups = [] if stream is None else list(_groups(settings, client, key, stream, listed, now_ms))
    ours = next((group for group in groups if group.name == settings.group), None)
    if ours is None:  # it begins at the stream's beginning, whoever makes it
        since = None if stream is None else _first_after(client, key, None)
        ours = _not_made_yet(settings.group, stream, since, now_ms)
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
        others=tuple(group for group in groups if group is not ours),
        memory_bytes=memory and memory.get("used_memory"),
        memory_limit_bytes=memory and memory.get("maxmemory"),
        server_version=server and version(server),
        producers=tuple(producers.understood(announced)[0]),
    )


def _counters(client: redis.Redis, key: str, told: Any) -> Counters | None:
    """Read what was told of the stream; ask in the other way where no script may be run."""
    if told is None:
        return counters(client, key)
    return None if isinstance(told, StreamLost) else counters_of(told)


def _groups(
    settings: Settings,
    client: redis.Redis,
    key: str,
    stream: Counters,
    listed: Any,
    now_ms: int,
) -> Iterator[Group]:
    """Yield the groups there are; one that goes away meanwhile is not there."""
    patient_ms = max(settings.reclaim_idle_ms, IDLE_WORKER_MS)
    for told_of in () if isinstance(listed, StreamLost) else listed:
        with suppress(StreamLost):
            yield _group(client, key, stream, told_of, now_ms, patient_ms)


def _group(
    client: redis.Redis,
    key: str,
    stream: Counters,
    told_of: dict[bytes, Any],
    now_ms: int,
    patient_ms: int,
) -> Group:
    name, delivered = told_of[b"name"], StreamID.parse(told_of[b"last-delivered-id"])
    read = told_of[b"entries-read"]  # None where Redis lost count
    undelivered_since = _first_after(client, key, delivered)
    pending_since = _oldest_pending(client, key, name)
    return Group(
        name=name.decode("utf-8", "replace"),
        exists=True,
        last_delivered_id=delivered,
        read=None if read is None else int(read),
        undelivered=0 if undelivered_since is None else _undelivered(stream, delivered, told_of),
        undelivered_since_ms=undelivered_since,
        pending=int(told_of[b"pending"]),
        pending_since_ms=pending_since,
        overrun=_overrun(stream, delivered, read),
        waiting_ms=_age(now_ms, undelivered_since, pending_since),
        consumers=tuple(_consumers(client, key, name, patient_ms)),
    )


def _not_made_yet(name: str, stream: Counters | None, since_ms: int | None, now_ms: int) -> Group:
    """Return our group as it will be once a worker makes it: everything waits for it."""
    return Group(
        name=name,
        exists=False,
        last_delivered_id=None,
        read=0,
        undelivered=stream.length if stream else 0,
        undelivered_since_ms=since_ms,
        pending=0,
        pending_since_ms=None,
        overrun=0 if stream is None or stream.added == stream.length else None,
        waiting_ms=_age(now_ms, since_ms),
    )


def _consumers(
    client: redis.Redis, key: str, group: bytes, patient_ms: int
) -> Iterator[ConsumerInfo]:
    for told_of in ask(client, "XINFO", "CONSUMERS", key, group):
        pending, idle_ms = int(told_of[b"pending"]), int(told_of[b"idle"])
        inactive_ms = int(told_of.get(b"inactive", -1))
        yield ConsumerInfo(
            told_of[b"name"].decode("utf-8", "replace"),
            pending,
            idle_ms,
            None if inactive_ms < 0 else inactive_ms,
            # what it holds it may be storing; one that holds nothing should ask for something
            idle_ms < (patient_ms if pending else IDLE_WORKER_MS),
        )


def _first_after(client: redis.Redis, key: str, delivered: StreamID | None) -> int | None:
    start = f"({delivered}" if delivered else "-"
    found = entry_ids(client, "XRANGE", key, start, "+", 1)
    return found[0].ms if found else None


def _undelivered(stream: Counters, delivered: StreamID, told_of: dict[bytes, Any]) -> int | None:
    """Return how many entries wait, where the server's count is known to be right.

    That is: nothing delivered yet, or nothing trimmed or deleted beyond what was delivered. Deleted
    ones count as waiting for ever, and Redis gives no `lag` then; some versions never get over what
    was trimmed unread, and in the end count more than there is.
    """
    if stream.first is None or delivered < stream.first:
        return stream.length
    if told_of[b"entries-read"] is None or told_of[b"lag"] is None:
        return None
    waiting = stream.added - int(told_of[b"entries-read"])
    return waiting if 0 <= waiting <= stream.length else None


def _overrun(stream: Counters, delivered: StreamID, read: int | None) -> int | None:
    """Return how many entries are gone that came after the last one delivered."""
    if stream.first is not None and delivered >= stream.first:
        return 0
    return None if read is None else max(0, stream.added - stream.length - int(read))


def _age(now_ms: int, *since: int | None) -> int:
    """Return how long the oldest waits, in ms; 0 when nothing does."""
    return max(0, now_ms - min((at for at in since if at is not None), default=now_ms))


def _oldest_pending(client: redis.Redis, key: str, group: bytes) -> int | None:
    found = ask(client, "XPENDING", key, group)
    return StreamID.parse(found[1]).ms if found and found[0] else None


def version(server: dict[str, object]) -> str | None:
    """Return a server's name and version, by a section of its INFO."""
    for name in ("valkey", "redis"):
        if f"{name}_version" in server:
            return f"{name} {server[f'{name}_version']}"
    return None
