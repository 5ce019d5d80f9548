"""Records that wait beside the stream: PostgreSQL answers to each of them with an unknown error.

An error that nobody has classified is taken for an outage, because waiting loses nothing. But it
may be about one record alone (a trigger of the user's that raises, say), and then waiting would
stop the worker for good. So such a batch is divided; what can be stored is, and a record that fails
alone is set aside, unacknowledged, while the worker goes on. Only one that has failed alone three
times, and after whose first failure other records were stored, is given up. There is room for a few
records: when it is taken and nothing at all can be stored, the error is an outage after all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from dewey_logs import (
    Batch,
    EntryRun,
    LogRow,
    Reject,
    Source,
    Unclassified,
    WriteResult,
)
from godot.logs import get_logger
from godot.stream.ids import StreamID
from godot.worker.decode import receipt

log = get_logger(__name__)

Item = TypeVar("Item")

CHECKPOINT = ("entries_added", "last_generated", "first_entry", "entries_present", "floor")
ROOM = 100
FAILURES = 3
RETRY_S, SLOWEST_RETRY_S = 1.0, 30.0


class _Item:
    """One record as a batch of its own, how often it failed alone, and how much was stored then."""

    def __init__(self, batch: Batch, entry: StreamID, commits: int) -> None:
        self.batch = batch
        self.entry = entry
        self.failures = 1
        self.commits = commits


class Aside:
    """The records that are set aside; for the thread that reads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._items: list[_Item] = []
        self._due = 0.0
        self._pause_s = RETRY_S
        self._commits = 0  # batches with records that were stored, ever

    @property
    def entries(self) -> list[StreamID]:
        return [item.entry for item in self._items]

    @property
    def full(self) -> bool:
        return len(self._items) >= ROOM

    @property
    def due(self) -> bool:
        return bool(self._items) and self._clock() >= self._due

    def add(self, batch: Batch, why: Unclassified) -> None:
        """Set a record aside; `batch` holds it alone."""
        entry = batch.rows[0].source.entry
        log.error(
            "record set aside", extra={"action": "set_aside", "entry": entry, "reason": str(why)}
        )
        self._items.append(_Item(batch, StreamID.parse(entry), self._commits))
        self._pause(RETRY_S)

    def others_stored(self) -> None:
        """Note that other records were stored: what fails all the same is to blame itself."""
        self._commits += 1
        if self._pause_s > RETRY_S:
            self._pause(RETRY_S)

    def drop(self, entries: Iterable[StreamID]) -> None:
        """Hold these no longer: they were delivered again, or deleted."""
        gone = set(entries)
        self._items = [item for item in self._items if item.entry not in gone]

    def retry(
        self, write: Callable[[Batch], WriteResult]
    ) -> Iterator[tuple[StreamID, Batch, WriteResult]]:
        """Try to write each record again; yield those that are settled now.

        A store that is away is no verdict on any of them, and ends the round.
        """
        self._pause(min(self._pause_s * 2, SLOWEST_RETRY_S))
        for item in list(self._items):
            batch = item.batch
            try:
                result = write(batch)
            except Unclassified as exc:
                item.failures += 1
                if item.failures < FAILURES or item.commits == self._commits:
                    continue
                failed = f"failed alone {FAILURES} times while other records were stored"
                batch = refused(batch, exc, f"{failed}: {exc.said}")
                result = write(batch)
            self._items.remove(item)
            yield item.entry, batch, result

    def _pause(self, seconds: float) -> None:
        self._pause_s = seconds
        self._due = self._clock() + seconds


def is_alone(batch: Batch) -> bool:
    """Say whether a batch is one record and nothing else."""
    return len(batch.rows) == len(batch.runs) == 1 and not batch.rejects


def size(batch: Batch) -> int:
    """Return how many records a batch has, dead letters among them."""
    return len(batch.rows) + len(batch.rejects)


def divided(batch: Batch) -> list[Batch]:
    """Return the records of a batch that was not stored in halves, and first whatever else it has.

    That is halved where it is everything. Each part accounts for its own entries, one by one; the
    first one brings the checkpoint.
    """
    parts = [_part(batch, rows) for rows in _halves(batch.rows)]
    checkpoint = {name: getattr(batch, name) for name in CHECKPOINT}
    vanished = tuple(run for run in batch.runs if run.delivery == "vanished")
    letters = [batch.rejects] if batch.rows else _halves(batch.rejects) or [()]
    if batch.rejects or vanished:
        rest = [_letters(batch, rejects) for rejects in letters]
        rest[0] = msgspec.structs.replace(rest[0], runs=(*rest[0].runs, *vanished))
        parts = [*rest, *parts]
    parts[0] = msgspec.structs.replace(parts[0], **checkpoint)
    return parts


def _halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    middle = len(items) // 2
    return [half for half in (items[:middle], items[middle:]) if half]


def _letters(batch: Batch, rejects: Sequence[Reject]) -> Batch:
    runs = tuple(_again(reject.source) for reject in rejects)
    return Batch(stream=batch.stream, rejects=tuple(rejects), runs=runs)


def _part(batch: Batch, rows: Sequence[LogRow]) -> Batch:
    return Batch(
        stream=batch.stream,
        heed_clears=True,  # it may have been stored, and cleared since
        rows=tuple(rows),
        dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
        runs=tuple(_again(row.source) for row in rows),
        maybe_known=True,
    )


def _again(source: Source) -> EntryRun:
    entry = StreamID.parse(source.entry)
    return EntryRun(entry, entry, 1, "again")


def refused(batch: Batch, why: Unclassified, reason: str) -> Batch:
    """Return a batch of one record as one of its dead letter."""
    (row,) = batch.rows
    reject = Reject(
        id=row.id,
        reason=reason,
        source=row.source,
        sqlstate=why.sqlstate,
        producer=row.producer,
        sequence=row.sequence,
    )
    return msgspec.structs.replace(batch, rows=(), rejects=(reject,))
