"""The values that cross into Dewey: what to store, and what became of it.

A row carries its source (entry and raw fields) because PostgreSQL may refuse it after everyone
else accepted it; only then does the writer need the raw bytes, to keep them in a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a record came from: the stream entry, and its fields exactly as they arrived.

    `raw` has names and values in turn: a name may stand there twice.
    """

    entry: str
    raw: Sequence[bytes]
    deliveries: int = 1


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """One record, clean and within limits, ready for the `logs` table.

    `id` is 16 bytes. `created_at_us` counts microseconds since 1970 (UTC). `data` is the text of
    one JSON object, or None. `producer` and `sequence` are the numbers inside an id of ours, None
    for a foreign one. `moved` says that the record's id alone makes its copies one row, because
    `created_at_us` may be another in each: its own time is missing, cannot be read, or lay outside
    the accepted window, so that the entry's time stands instead.
    """

    id: bytes
    created_at_us: int
    component: str
    level: str
    message: str
    trace_id: str | None
    data: bytes | None
    producer: int | None
    sequence: int | None
    source: Source
    moved: bool = False


class Reject(msgspec.Struct, frozen=True, gc=False):
    """A record that cannot be stored, with the reason a person understands."""

    id: bytes
    reason: str
    source: Source
    sqlstate: str | None = None
    producer: int | None = None
    sequence: int | None = None


class Dropped(msgspec.Struct, frozen=True):
    """Sequence numbers that a client reports as dropped: inclusive ranges from a receipt."""

    producer: int
    ranges: tuple[tuple[int, int], ...]


class Retried(msgspec.Struct, frozen=True):
    """A dead letter that is tried again: its id, and the id of the row or reject it became."""

    letter: bytes
    record: bytes


class EntryRun(msgspec.Struct, frozen=True):
    """Consecutive stream entries settled by one batch.

    Runs of first deliveries (`new`) never overlap: XREADGROUP hands out consecutive entries. An
    entry delivered `again` is a run of its own, as is one that `vanished`: its payload was trimmed
    while it was pending, so it is acknowledged without a record. `late` is the writer's own word,
    see dewey_logs.ledger. Ids are (milliseconds, sequence).
    """

    first: tuple[int, int]
    last: tuple[int, int]
    n: int
    delivery: Literal["new", "again", "vanished", "late"] = "new"


class Batch(msgspec.Struct, frozen=True):
    """Everything one transaction stores.

    `maybe_known` sends the rows through staging: set it for reclaimed entries, for the first read
    after a restart, and for replays. `entries_added` is XINFO STREAM's counter when it was read
    just before this batch, else None; a fall of it starts a new epoch of the stream.
    `last_generated` is the last-generated-id of the same reply. Give it always: workers commit in
    another order than they read, and without it an older reading looks like a recreated stream.
    `first_entry` is the stream's first entry and `entries_present` how many it holds, by the same
    reply: if all came after the last checkpoint, and are more than were added since, the stream is
    another one. Leave `entries_present` out when the stream was found gone: then nothing being left
    of the old one is enough. `floor`, of the same reading, is an id before which no entry is
    left in the stream and none is pending: what the ledger says of those may be merged.
    `heed_clears` leaves out the rows that a clear has removed since: set it for replays and for
    whatever may have been stored before, but not where a person insists. `retried` are the dead
    letters among the rows and rejects.
    """

    stream: str
    rows: tuple[LogRow, ...] = ()
    rejects: tuple[Reject, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    runs: tuple[EntryRun, ...] = ()
    maybe_known: bool = False
    entries_added: int | None = None
    last_generated: tuple[int, int] | None = None
    first_entry: tuple[int, int] | None = None
    entries_present: int | None = None
    floor: tuple[int, int] | None = None
    heed_clears: bool = False
    retried: tuple[Retried, ...] = ()


class Checkpoint(msgspec.Struct, frozen=True):
    """A reading of a stream's counter: so many entries were added by the time of its last id."""

    added: int
    last: tuple[int, int]


class SetBack(msgspec.Struct, frozen=True):
    """A stream that does not stand by a reading of its own counter any more: it came back older.

    `known` is that reading. Of what it counted the entry `low` is the last one that is left, and
    `next` is the first one that came afterwards; `added` entries were added up to `low`, by the
    counter as it is now, and `now` is what it said then.
    """

    stream: str
    known: Checkpoint
    low: tuple[int, int]
    next: tuple[int, int]
    added: int
    now: Checkpoint


class WriteResult(msgspec.Struct, frozen=True):
    """What the commit made of a batch: stored, known already, refused, past retention, cleared.

    `checkpoint` is the ledger's newest one from before this batch, None where there was none.
    """

    stored: int
    duplicates: int = 0
    rejects: tuple[Reject, ...] = ()
    expired: int = 0
    cleared: int = 0
    checkpoint: Checkpoint | None = None


class Window(msgspec.Struct, frozen=True):
    """How far a record's own time may lie before and after the time of its stream entry."""

    back_seconds: int
    ahead_seconds: int


class StoreTotals(msgspec.Struct, frozen=True):
    """The size of the store: `rows` is PostgreSQL's estimate unless `rows_exact`.

    `oldest` and `newest` are RFC 3339 UTC, None while nothing is stored.
    """

    rows: int
    rows_exact: bool
    bytes: int
    oldest: str | None
    newest: str | None
    partitions: int
    rejected_open: int


class LogRecordView(msgspec.Struct, frozen=True):
    """A stored record as it is shown: `created_at` is RFC 3339 UTC with microseconds and `Z`."""

    id: str
    created_at: str
    component: str
    level: str
    message: str
    trace_id: str | None = None
    data: dict[str, object] | None = None


class Page(msgspec.Struct, frozen=True):
    """One page of a query, newest first unless the filter says otherwise.

    A page also ends where its messages and data come to 16 MB, and is `truncated` then.
    `matched` is exact up to 1,000. With `matched_capped` it is a lower bound: 1,000, or what was
    seen when counting took too long. With `scan_incomplete` only the records up to `scanned_to`
    were looked at before the time was up: `next_cursor` goes on there. `strategy` is how they were
    found: walk, trace, index, scan, index+scan; counts when these said that there is nothing.
    """

    rows: tuple[LogRecordView, ...]
    returned: int
    truncated: bool
    next_cursor: str | None
    matched: int
    matched_capped: bool
    strategy: str
    took_ms: float
    scan_incomplete: bool = False
    scanned_to: str | None = None
