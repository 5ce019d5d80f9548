"""Records that wait beside the stream: PostgreSQL answers to each of them with an unknown error.

An error that nobody has classified is taken for an outage, because waiting loses nothing. But it
may be about one record alone (a trigger of the user's that raises, say), and then waiting would
stop the worker for good. So such a batch is divided; what can be stored is, and a record that fails
alone is set aside, unacknowledged, while the worker goes on. Only one that has failed alone three
times, while other records were committed in between, is given up. There is room for a few records:
when it is taken, the error is an outage after all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from dewey_logs import (
    Batch,
    DeweyError,
    EntryRun,
    LogRow,
    Reject,
    Source,
    Store,
    Unclassified,
    WriteResult,
)
from godot.stream.ids import StreamID
from godot.worker.decode import receipt

ROOM = 100
FAILURES = 3
RETRY_S = 1.0


class _Item:
    """One record as a batch of its own, how often it failed alone, and what was committed then."""

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
        self.commits = 0  # batches of other records that were committed, ever

    @property
    def entries(self) -> list[StreamID]:
        return [item.entry for item in self._items]

    @property
    def full(self) -> bool:
        return len(self._items) >= ROOM

    def add(self, batch: Batch) -> None:
        """Set a record aside; `batch` holds it alone."""
        (row,) = batch.rows
        self._due = self._clock() + RETRY_S
        self._items.append(_Item(batch, StreamID.parse(row.source.entry), self.commits))

    def forget(self) -> None:
        """Hold nothing any more: the entries will be delivered again."""
        self._items.clear()

    def retry(self, store: Store) -> Iterator[tuple[StreamID, Batch, WriteResult]]:
        """Try each record again when that is due; yield those that are settled now.

        A store that is away is no verdict on any of them.
        """
        if not self._items or self._clock() < self._due:
            return
        for item in list(self._items):
            batch = item.batch
            with suppress(DeweyError):
                try:
                    result = store.write(batch)
                except Unclassified as exc:
                    item.failures += self.commits > item.commits
                    item.commits = self.commits
                    if item.failures < FAILURES:
                        continue
                    batch = _given_up(batch, exc)
                    result = store.write(batch)
                self._items.remove(item)
                yield item.entry, batch, result
        self._due = self._clock() + RETRY_S


def is_alone(batch: Batch) -> bool:
    """Say whether a batch is one record and nothing else."""
    return len(batch.rows) == len(batch.runs) == 1 and not batch.rejects


def divided(batch: Batch) -> list[Batch]:
    """Return the records of a batch that was not stored in halves, and first whatever else it has.

    Each part accounts for its own entries, one by one.
    """
    middle = len(batch.rows) // 2
    halves = (batch.rows[:middle], batch.rows[middle:])
    parts = [_part(batch, rows) for rows in halves if rows]
    rejected = tuple(_again(reject.source) for reject in batch.rejects)
    vanished = tuple(run for run in batch.runs if run.delivery == "vanished")
    if not (rejected or vanished):
        return parts
    rest = msgspec.structs.replace(
        batch, rows=(), dropped=(), runs=(*rejected, *vanished), maybe_known=True
    )
    return [rest, *parts]


def _part(batch: Batch, rows: Sequence[LogRow]) -> Batch:
    return Batch(
        stream=batch.stream,
        rows=tuple(rows),
        dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
        runs=tuple(_again(row.source) for row in rows),
        maybe_known=True,
    )


def _again(source: Source) -> EntryRun:
    entry = StreamID.parse(source.entry)
    return EntryRun(entry, entry, 1, "again")


def _given_up(batch: Batch, why: Unclassified) -> Batch:
    (row,) = batch.rows
    reject = Reject(
        id=row.id,
        reason=f"failed alone {FAILURES} times while other records were stored: {why.said}",
        source=row.source,
        sqlstate=why.sqlstate,
        producer=row.producer,
        sequence=row.sequence,
    )
    return Batch(stream=batch.stream, rejects=(reject,), runs=batch.runs, maybe_known=True)
