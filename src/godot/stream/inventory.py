"""What the stream holds and who announced what: the audit's first look, taken before the ledger's.

The order of the questions makes the answer safe while traffic flows: who announced how much, then
what the group was given, then what was ever added, then what is pending, then the entries. Whatever
moves on meanwhile moves towards the database, which is read afterwards: a late commit can only turn
a missing record into a stored one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec
import redis

from godot.errors import StreamLost
from godot.identity import read_identity
from godot.settings import Settings
from godot.stream.connection import ask, close, connect
from godot.stream.ids import END, ZERO, StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import counters, records
from godot.stream.producers import ProducerInfo, read

PAGE = 1_000


class Held(msgspec.Struct, frozen=True, gc=False):
    """One entry of the stream: its record's numbers (None: not ours), and whether it still waits.

    Waiting means that no worker has had it, or that one has and did not acknowledge it. `born_ms`
    is when the record was made, by its id.
    """

    id: StreamID
    producer: int | None
    sequence: int | None
    waiting: bool
    born_ms: int


class Inventory(msgspec.Struct, frozen=True):
    """The stream up to `upto`, its last id when `added` was read.

    `hollow` are the pending entries up to there whose payload was trimmed.
    """

    stream: str
    announced: tuple[ProducerInfo, ...]
    added: int
    upto: StreamID
    held: tuple[Held, ...]
    hollow: tuple[StreamID, ...]

    @property
    def region(self) -> StreamID:
        """Return where the ledger has to be looked at entry by entry: our first entry.

        An empty stream begins behind its last one, and one that never had any behind everything.
        """
        if not self.added:
            return END
        firsts = [self.upto, *(item.id for item in self.held[:1]), *self.hollow[:1]]
        return min(firsts)


def take(settings: Settings) -> Inventory:
    """Look at everything, page by page: about a second for 100,000 entries."""
    client = connect(settings)
    try:
        return _take(client, stream_key(settings.stream), settings.group)
    finally:
        close(client)


def _take(client: redis.Redis, key: str, group: str) -> Inventory:
    announced, _ = read(client, key)
    delivered = _last_delivered(client, key, group)
    told = counters(client, key)
    if told is None:
        return Inventory(key, tuple(announced), 0, ZERO, (), ())
    upto = told.last_generated
    pending = set(_pending(client, key, group))
    held = tuple(
        _held(entry, raw, entry > delivered or entry in pending)
        for entry, raw in _records(client, key, upto)
    )
    # once more: what was given to a worker meanwhile and then trimmed is in its hands, not lost
    pending.update(_pending(client, key, group))
    hollow = {i for i in pending if i <= upto}.difference(item.id for item in held)
    return Inventory(key, tuple(announced), told.added, upto, held, tuple(sorted(hollow)))


def _last_delivered(client: redis.Redis, key: str, group: str) -> StreamID:
    with suppress(StreamLost):
        for found in ask(client, "XINFO", "GROUPS", key):
            if found[b"name"] == group.encode():
                return StreamID.parse(found[b"last-delivered-id"])
    return ZERO


def _pending(client: redis.Redis, key: str, group: str) -> Iterator[StreamID]:
    start = "-"
    with suppress(StreamLost):
        while page := ask(client, "XPENDING", key, group, start, "+", PAGE):
            for item in page:
                yield StreamID.parse(item[0])
            if len(page) < PAGE:
                return
            start = f"({page[-1][0].decode()}"


def _records(
    client: redis.Redis, key: str, upto: StreamID
) -> Iterator[tuple[StreamID, bytes | None]]:
    start = "-"
    while page := records(client, key, start, str(upto)):
        yield from page
        start = f"({page[-1][0]}"


def _held(entry: StreamID, raw: bytes | None, waiting: bool) -> Held:
    who = None if raw is None else read_identity(raw)
    found = who and who.ours
    if found is None:
        return Held(entry, None, None, waiting, 0)
    return Held(entry, found.producer, found.sequence, waiting, found.ms)
