"""The consumer group: made at the stream's beginning, read, acknowledged.

`acknowledge` is the only function in the code base that sends XACK, and the worker's batch is its
only caller in the normal path: what is not committed is never acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import redis

from godot.errors import StreamFull, StreamLost
from godot.stream.connection import ask, translated
from godot.stream.ids import ZERO, StreamID
from godot.stream.outline import COUNTERS, counters_of
from godot.stream.replies import Entry, entries, read_entries

Command: TypeAlias = tuple[str | int, ...]

BURY = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


class Progress(NamedTuple):
    """How many entries a stream ever had, its last id, its first entry (None: it is empty), and how
    many it holds.

    Before `floor` nothing is left in the stream and nothing is pending.
    """

    added: int
    last_generated: StreamID
    first: StreamID | None
    present: int
    floor: StreamID

    def goes_on_from(self, before: Progress) -> bool:
        """Say whether this may be a later count of the same stream: see dewey_epoch."""
        since = self.added - before.added
        is_new = self.first is not None and self.first > before.last_generated
        return since >= 0 and not (is_new and self.present > since)


def progress_of(told: Sequence[Any], pending: Sequence[Any] | None) -> Progress:
    """Read what `Consumer.counting` asked for; `pending` is None without the group."""
    found = counters_of(told)
    floor = found.first or found.last_generated.next()
    if pending and pending[0]:
        floor = min(floor, StreamID.parse(pending[1]))
    return Progress(found.added, found.last_generated, found.first, found.length, floor)


class Consumer:
    """One consumer of the group over one connection; not for use from two threads."""

    def __init__(self, client: redis.Redis, stream: str, group: str, name: str) -> None:
        self.client = client
        self.stream = stream
        self.group = group
        self.name = name

    def missing_at(self) -> int | None:
        """Return when the stream was found missing, in milliseconds of Redis.

        None: it exists, or this user may not ask for the time.
        """
        if self._groups() is not None:
            return None
        with translated(self.client):
            try:
                seconds, micros = self.client.time()
            except redis.exceptions.NoPermissionError:
                return None
        # asked before the second look: every entry to come is later than that
        return int(seconds * 1000 + micros // 1000) if self._groups() is None else None

    def ensure_group(self) -> bool:
        """Create stream and group when they are missing; return whether it had to.

        At id 0, not `$`: entries added before the group existed would otherwise be skipped.
        Raises StreamFull when it is missing and Redis has no memory to create it; a full Redis
        refuses the command even for a group that exists, so that is looked at first.
        """
        if self.group.encode() in (self._groups() or ()):
            return False
        with translated(self.client):
            try:
                self.client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
            except redis.ResponseError as exc:
                if not str(exc).startswith("BUSYGROUP"):
                    raise
                return False
            return True

    def _groups(self) -> list[bytes] | None:
        """Return the names of the stream's groups, None when there is no stream."""
        try:
            return [group[b"name"] for group in ask(self.client, "XINFO", "GROUPS", self.stream)]
        except StreamLost:
            return None

    def refuses_memory(self) -> bool:
        """Say whether Redis is full, by a harmless command that it then refuses."""
        try:
            ask(self.client, "XGROUP", "CREATECONSUMER", self.stream, self.group, self.name)
        except StreamFull:
            return True
        return False

    def read_new(self, count: int, block_ms: int | None) -> list[Entry]:
        """Take up to `count` entries nobody has had yet; wait at most `block_ms` (None: not).

        Never repeated by itself: a lost reply leaves its entries in our own pending list, from
        where `read_own` takes them.
        """
        block = () if block_ms is None else ("BLOCK", block_ms)
        return read_entries(ask(self.client, *self.reading(count, *block)))

    def reading(self, count: int, *block: str | int) -> Command:
        """Return the command that takes entries nobody has had yet."""
        return (
            *("XREADGROUP", "GROUP", self.group, self.name, "COUNT", count, *block),
            *("STREAMS", self.stream, ">"),
        )

    def read_own(self, count: int, after: StreamID = ZERO) -> list[Entry]:
        """Read again what was delivered to this consumer and is not acknowledged.

        The server counts that as a delivery, but a lost reply is nothing an entry did.
        """
        found = read_entries(
            ask(
                self.client,
                *("XREADGROUP", "GROUP", self.group, self.name, "COUNT", count),
                *("STREAMS", self.stream, str(after)),
            )
        )
        self.excuse([entry.id for entry in found if not entry.trimmed])
        return found

    def oldest(self, count: int) -> list[Entry]:
        """Read from the beginning of the stream without the group."""
        return entries(ask(self.client, "XRANGE", self.stream, "-", "+", "COUNT", count))

    def acknowledge(self, ids: Sequence[StreamID]) -> int:
        """Tell the group that these entries are settled; return how many still were pending.

        Safe to repeat. Fewer than asked is no error: a peer may have settled or purged them.
        """
        if not ids:
            return 0
        texts = [f"{ms}-{seq}" for ms, seq in ids]
        return int(ask(self.client, "XACK", self.stream, self.group, *texts))

    def progress(self) -> Progress | None:
        """Return what the stream counts about itself, None without a stream.

        The first entry is read before what is pending: what is delivered meanwhile comes from the
        stream, so it does not stand before that entry.
        """
        counters, pending = self.counting()
        told = waiting = None
        with suppress(StreamLost):  # without the group nothing is pending
            told = ask(self.client, *counters)
            waiting = ask(self.client, *pending)
        return told and progress_of(told, waiting)

    def counting(self) -> tuple[Command, Command]:
        """Return the two commands whose answers `progress_of` reads."""
        return (
            ("EVAL", COUNTERS, 1, self.stream),
            ("XPENDING", self.stream, self.group),
        )

    def held(self, count: int) -> list[StreamID]:
        """Return up to `count` of the entries delivered to this consumer and not acknowledged.

        XPENDING, unlike reading them again, leaves their delivery counts alone.
        """
        pending = ask(self.client, "XPENDING", self.stream, self.group, "-", "+", count, self.name)
        return [StreamID.parse(item[0]) for item in pending or ()]

    def deliveries(self, ids: Sequence[StreamID]) -> dict[StreamID, int]:
        """Return how often each of our pending entries was delivered, by the server's count."""
        wanted = set(ids)
        pending = ask(
            self.client,
            *("XPENDING", self.stream, self.group, str(min(ids)), str(max(ids))),
            *(2 * len(ids) + 1_000, self.name),
        )
        counts = {StreamID.parse(item[0]): int(item[3]) for item in pending or ()}
        return {i: n for i, n in counts.items() if i in wanted}

    def release(self, ids: Sequence[StreamID], idle_ms: int, deliveries: int | None = None) -> None:
        """Give entries back so that peers may claim them at once, with a delivery count if given.

        XCLAIM to ourselves with a long idle time back-dates the idle clock. A huge value would
        silently become 0, hence the caller's bound.
        """
        if ids:
            ask(
                self.client,
                *("XCLAIM", self.stream, self.group, self.name, 0),
                *[str(i) for i in ids],
                *("IDLE", idle_ms),
                *(() if deliveries is None else ("RETRYCOUNT", deliveries)),
                "JUSTID",
            )

    def renew(self, ids: Sequence[StreamID]) -> None:
        """Keep hold of entries: their idle time starts again, their delivery counts stay."""
        ask(
            self.client,
            *("XCLAIM", self.stream, self.group, self.name, 0),
            *[str(i) for i in ids],
            "JUSTID",
        )

    def excuse(self, ids: Sequence[StreamID]) -> None:
        """Count these deliveries as first ones: what interrupted them was no entry's doing."""
        if ids:
            ask(
                self.client,
                *("XCLAIM", self.stream, self.group, self.name, 0),
                *[str(i) for i in ids],
                *("RETRYCOUNT", 1, "JUSTID"),
            )

    def bury(self, idle_ms: int) -> int:
        """Delete the consumers that hold nothing and were silent for `idle_ms`; return how many.

        Looking and deleting are one step on the server: between two, a consumer could be given
        entries, and DELCONSUMER would lose them for the group. A live consumer that is buried for
        being quiet comes back by its next read.
        """
        consumers = ask(self.client, "XINFO", "CONSUMERS", self.stream, self.group)
        return sum(
            int(ask(self.client, "EVAL", BURY, 1, self.stream, self.group, consumer[b"name"]))
            for consumer in consumers
            if not consumer[b"pending"]
            and consumer[b"idle"] >= idle_ms
            and consumer[b"name"] != self.name.encode()
        )

    def leave(self) -> bool:
        """Delete this consumer if it holds nothing; return whether it did.

        Looking and deleting are one step here too: a read that we gave up may only now be done by a
        server that had stalled, and DELCONSUMER would lose its entries for the group.
        """
        return bool(ask(self.client, "EVAL", BURY, 1, self.stream, self.group, self.name))
