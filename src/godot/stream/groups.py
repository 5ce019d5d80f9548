"""The groups of a stream at one moment: what waits for each, what it holds, and who reads.

`lag` of XINFO GROUPS is not among the numbers: it is wrong or nil after trimming on every server
version. What can be trusted is time: the first entry after the last delivered one carries its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec

from godot.errors import StreamLost
from godot.stream.asking import Client, ask_together, insisted
from godot.stream.behaviour import State
from godot.stream.direct import Command
from godot.stream.ids import END, StreamID
from godot.stream.outline import Counters, entry_ids, ids_of, listing_ids

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


def listing(stream: str) -> Command:
    """Return the command whose reply `read` takes."""
    return ("XINFO", "GROUPS", stream)


def read(
    client: Client, key: str, stream: Counters, told: Any, now_ms: int, reclaim_idle_ms: int
) -> Iterator[Group]:
    """Yield the groups of a stream, all asked at once; one that goes away meanwhile is not there.

    What a consumer holds others may take after `reclaim_idle_ms`.
    """
    patient_ms = max(reclaim_idle_ms, IDLE_WORKER_MS)
    with suppress(StreamLost):
        listed = insisted(client, told, *listing(key))
        asked = [command for told_of in listed for command in _questions(key, told_of)]
        replies = iter(ask_together(client, *asked))
        for told_of in listed:
            answers = tuple(islice(replies, 3))
            with suppress(StreamLost):
                yield _group(client, key, stream, told_of, answers, now_ms, patient_ms)


def _questions(key: str, told_of: dict[bytes, Any]) -> tuple[Command, Command, Command]:
    """Return what a group is asked: the first entry it was not given, what it holds, who reads."""
    delivered = StreamID.parse(told_of[b"last-delivered-id"])
    # behind everything nothing can follow, and Redis refuses to look
    start, end = ("+", "-") if delivered == END else (f"({delivered}", "+")
    return (
        listing_ids("XRANGE", key, start, end, 1),
        ("XPENDING", key, told_of[b"name"]),
        ("XINFO", "CONSUMERS", key, told_of[b"name"]),
    )


def _group(
    client: Client,
    key: str,
    stream: Counters,
    told_of: dict[bytes, Any],
    answers: Sequence[Any],
    now_ms: int,
    patient_ms: int,
) -> Group:
    name, delivered = told_of[b"name"], StreamID.parse(told_of[b"last-delivered-id"])
    read = told_of[b"entries-read"]  # None where Redis lost count
    after, pending, consumers = answers
    undelivered_since = (
        _first_after(client, key, delivered) if after is None else _time_of(ids_of(after))
    )
    pending = insisted(client, pending, "XPENDING", key, name)
    consumers = insisted(client, consumers, "XINFO", "CONSUMERS", key, name)
    pending_since = StreamID.parse(pending[1]).ms if pending and pending[0] else None
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
        consumers=tuple(_consumer(one, patient_ms) for one in consumers),
    )


def not_made_yet(
    client: Client, key: str, name: str, stream: Counters | None, now_ms: int
) -> Group:
    """Return our group as it will be once a worker makes it: everything waits for it."""
    since_ms = None if stream is None else _first_after(client, key, None)
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


def _consumer(told_of: dict[bytes, Any], patient_ms: int) -> ConsumerInfo:
    pending, idle_ms = int(told_of[b"pending"]), int(told_of[b"idle"])
    inactive_ms = int(told_of.get(b"inactive", -1))
    return ConsumerInfo(
        told_of[b"name"].decode("utf-8", "replace"),
        pending,
        idle_ms,
        None if inactive_ms < 0 else inactive_ms,
        # what it holds it may be storing; one that holds nothing should ask for something
        idle_ms < (patient_ms if pending else IDLE_WORKER_MS),
    )


def _first_after(client: Client, key: str, delivered: StreamID | None) -> int | None:
    start = f"({delivered}" if delivered else "-"
    return _time_of(entry_ids(client, "XRANGE", key, start, "+", 1))


def _time_of(found: Sequence[StreamID]) -> int | None:
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
