"""The harness's own account of every record, kept apart from everything that is being tested.

It knows what was offered, what Redis said to it, and which entries were destroyed before anybody
had settled them. From that alone follows what must be stored, what may be lost, and what the audit
has to name; neither the ledger nor any counter of the product is asked.
"""

from __future__ import annotations

import enum
import hashlib
import json
import threading
from collections.abc import Iterable, Sequence

from clientlib import LogRecord, parse_record_id
from godot.stream.ids import ZERO, StreamID
from tests.chaos.look import Look, Records

Fields = Sequence[tuple[bytes, bytes]]


class State(enum.Enum):
    """What Redis said to a record so far; once accepted, always accepted."""

    OFFERED = "offered"
    REFUSED = "refused"
    INDETERMINATE = "indeterminate"
    ACCEPTED = "accepted"


class Kind(enum.Enum):
    """What has to become of an accepted record that nobody destroyed."""

    STORED = "stored, byte for byte"
    EITHER = "stored or a dead letter"
    DEAD = "a dead letter"
    AGED = "stored, and perhaps removed by retention since"


class Item:
    """One record of ours; `entries` are those stream entries of it that are known.

    `digest` is of what its row must hold, `raw` of the fields that were sent.
    `given_up`: a person made a dead letter of an entry of it. `cleared`: a person removed it, or
    what a person removed kept it out. `once`: nobody sends it again when no answer comes.
    """

    __slots__ = (
        "cleared",
        "digest",
        "entries",
        "given_up",
        "id",
        "kind",
        "once",
        "producer",
        "raw",
        "sequence",
        "state",
    )

    def __init__(
        self,
        id: bytes,
        producer: int,
        sequence: int,
        *,
        digest: bytes | None,
        raw: bytes,
        kind: Kind,
        once: bool,
    ) -> None:
        self.id = id
        self.producer = producer
        self.sequence = sequence
        self.digest = digest
        self.raw = raw
        self.kind = kind
        self.once = once
        self.state = State.OFFERED
        self.entries: list[StreamID] = []
        self.given_up = False
        self.cleared = False


class Book:
    """Every record by its id, foreign entries by their mark; used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.items: dict[bytes, Item] = {}
        self.foreign: dict[str, StreamID | None] = {}  # mark -> entry, None: not known to be one
        self.destroyed = 0  # entries that were taken away unsettled, at most
        self.records: set[bytes] = set()  # whose entries these were, as far as they said
        self._destroyed: set[StreamID] = set()
        self._forgotten: set[StreamID] = set()  # went with the counter, and no checkpoint has them
        self._unseen: set[StreamID] = set()  # of those, what a stream that was set back had had
        self._newest = ZERO  # the newest entry that is known to have been settled
        # of groups that are gone: all up to a position was settled, but for what was pending
        self._settled: list[tuple[StreamID, frozenset[StreamID]]] = []

    def offer(
        self,
        records: Sequence[LogRecord],
        kind: Kind = Kind.STORED,
        fields: Sequence[Fields] | None = None,
        *,
        once: bool = False,
    ) -> None:
        """Enter records before they are sent, as `fields` if given; known ones stay as they are."""
        sent = [record.fields() for record in records] if fields is None else fields
        made = [_item(record, kind, raw, once) for record, raw in zip(records, sent, strict=True)]
        with self._lock:
            for item in made:
                self.items.setdefault(item.id, item)

    def accepted(self, records: Sequence[LogRecord], entries: Sequence[StreamID]) -> None:
        with self._lock:
            for record, entry in zip(records, entries, strict=True):
                item = self.items[_key(record.id)]
                item.state = State.ACCEPTED
                item.entries.append(entry)

    def failed(self, records: Sequence[LogRecord], *, refused: bool) -> None:
        """Note that no answer, or a refusal, came back; of several some may have arrived."""
        state = State.REFUSED if refused and len(records) == 1 else State.INDETERMINATE
        with self._lock:
            for record in records:
                item = self.items[_key(record.id)]
                if item.state is State.OFFERED or (
                    item.state is State.REFUSED and state is State.INDETERMINATE
                ):
                    item.state = state

    def add_foreign(self, mark: str, entry: StreamID | None) -> None:
        """Enter an entry that carries no id of ours; `entry` is None when no answer came."""
        with self._lock:
            self.foreign[mark] = entry

    @property
    def forgotten(self) -> int:
        """How many of the destroyed entries nobody may have counted, at most."""
        return len(self._forgotten)

    @property
    def unseen(self) -> int:
        """How many of those went without anything that tells from when they were.

        A stream that came back older, from before any worker had read its counter, is as it was.
        """
        return len(self._unseen)

    def take(self, found: Look) -> None:
        """Note what a command destroyed."""
        with self._lock:
            self._newest = max(self._newest, found.newest)
        self.destroy(found.gone)

    def destroy(self, entries: Records) -> None:
        """Note entries that were taken away while nobody had settled them.

        Without a group, or with one made again, the whole stream is undelivered: what the groups
        before it had settled is not lost with it.
        """
        with self._lock:
            gone = [one for one in entries if one not in self._destroyed and not self._done(one)]
            self._destroyed.update(gone)
            self.destroyed += len(gone)
            self.records.update(id for one in gone if (id := entries[one]) is not None)

    def group_lost(self, found: Look) -> None:
        """Note that a group is destroyed or set back, and what it had settled until then."""
        with self._lock:
            self._newest = max(self._newest, found.newest)
            self._settled.append((found.delivered, frozenset(found.pending)))

    def stream_lost(self, *, set_back: bool = False) -> None:
        """Note that the stream's counter is gone, and maybe the producers' announcements.

        A settled entry is a committed checkpoint, which counts whatever was added before it. So
        nobody may have counted what was destroyed and is newer than all that was settled.
        """
        with self._lock:
            gone = {one for one in self._destroyed if one > self._newest} - self._forgotten
            self._forgotten |= gone
            if set_back:
                self._unseen |= gone
            self._settled.clear()

    def _done(self, entry: StreamID) -> bool:
        return any(entry <= upto and entry not in pending for upto, pending in self._settled)

    def destroy_foreign(self, count: int) -> None:
        """Note entries that were added and taken away in one step: nobody offered them."""
        with self._lock:
            self.destroyed += count

    def is_destroyed(self, entry: StreamID) -> bool:
        return entry in self._destroyed

    def may_be_lost(self, item: Item) -> bool:
        """Say whether every entry that Redis accepted of a record was destroyed unsettled.

        One that is intact must be settled, whatever became of the others. Entries that nobody
        learned of only make more survive.
        """
        return bool(item.entries) and all(self.is_destroyed(entry) for entry in item.entries)


def digest(
    created_at: str, component: str, level: str, message: str, trace_id: str | None, data: object
) -> bytes:
    """Return the hash of a record's content; `data` is compared as JSON, not as text."""
    canonical = json.dumps(
        [created_at, component, level, message, trace_id, data], sort_keys=True
    ).encode()
    return hashlib.sha256(canonical).digest()


def raw_digest(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the hash of an entry's fields, in their order."""
    found = hashlib.sha256()
    for part in (part for pair in fields for part in pair):
        found.update(b"%d:%b" % (len(part), part))
    return found.digest()


def digest_of(record: LogRecord) -> bytes:
    data = json.loads(record.data) if record.data is not None else None
    return digest(
        record.created_at, record.component, record.level, record.message, record.trace_id, data
    )


def _key(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _item(record: LogRecord, kind: Kind, fields: Fields, once: bool) -> Item:
    who = parse_record_id(record.id)
    assert who is not None
    known = digest_of(record) if kind in (Kind.STORED, Kind.AGED) else None
    return Item(
        _key(record.id),
        who.producer,
        who.sequence,
        digest=known,
        raw=raw_digest(fields),
        kind=kind,
        once=once,
    )
