"""The store in PostgreSQL: connections that write, a small pool that reads.

A slow query never delays a batch. There are two that write, the second for whoever writes two
batches at a time: while one is being committed the other is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from queue import LifoQueue

from msgspec.structs import replace

from dewey_logs import diagnosis
from dewey_logs.accounts import Accounts, Neighbours
from dewey_logs.answers import (
    Arrivals,
    Context,
    Facets,
    Histogram,
    PatternTable,
    Summary,
    Trace,
    WindowComparison,
)
from dewey_logs.clearing import Cleared, Clearing, ClearPlan
from dewey_logs.comparison import MIN_RATIO
from dewey_logs.contents import Contents
from dewey_logs.context import Same
from dewey_logs.deadletters import DeadLetter, DeadLetterFilter, DeadLetterReason
from dewey_logs.diagnosis import Diagnosis
from dewey_logs.errors import DeweyError
from dewey_logs.export import Export
from dewey_logs.filters import LogFilter
from dewey_logs.levels import LevelChange, LevelSetting, LevelTable
from dewey_logs.measures import Measures
from dewey_logs.readers import Readers
from dewey_logs.rows import Batch, LogRow, Page, SetBack, StoreTotals, Window, WriteResult
from dewey_logs.traces import DEFAULT_RECORDS
from dewey_logs.writer import Prepared, Writer


class PostgresStore:
    """The store in PostgreSQL."""

    def __init__(
        self,
        writer: Writer,
        second: Writer,
        readers: Readers,
        clearing: Clearing,
        level_table: LevelTable,
    ) -> None:
        self._writer = writer
        self._second = second
        self._free: LifoQueue[Writer] = LifoQueue()  # one write at a time needs the first alone
        self._free.put(second)
        self._free.put(writer)
        self._readers = readers
        self._clearing = clearing
        self._level_table = level_table
        self._window: Window | None = None

    def prepare(self, rows: Sequence[LogRow]) -> Prepared:
        """Make rows ready to be written; see Store.prepare."""
        return self._writer.prepare(rows)

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult:
        """Store a batch in one transaction; see Store.write."""
        writer = self._free.get()
        try:
            return writer.write(batch, prepared)
        finally:
            self._free.put(writer)

    def stream_gone(self, stream: str, at_ms: int) -> bool:
        """Keep that a stream was found missing; see Store.stream_gone."""
        return self._writer.stream_gone(stream, at_ms)

    def set_back(self, found: SetBack) -> bool:
        """Keep that a stream came back older; see Store.set_back."""
        return self._writer.set_back(found)

    def query(self, filter: LogFilter) -> Page:
        """Return one page; see Store.query."""
        return self._readers.query(filter)

    def context(
        self,
        record_id: str,
        created_at: datetime | None = None,
        *,
        before: int = 10,
        after: int = 10,
        same: Same | None = None,
    ) -> Context | None:
        """Return a record and those around it; see Store.context."""
        return self._readers.context(record_id, created_at, before, after, same)

    def trace(self, trace_id: str, limit: int = DEFAULT_RECORDS) -> Trace | None:
        """Return a trace in order; see Store.trace."""
        return self._readers.trace(trace_id, limit)

    def histogram(self, filter: LogFilter, interval: str = "auto") -> Histogram:
        """Return counts by level over time; see Store.histogram."""
        return self._readers.histogram(filter, interval)

    def summary(self, filter: LogFilter, disk: bool = True) -> Summary:
        """Return counts by component, level and day; see Store.summary."""
        return self._readers.summary(filter, disk)

    def patterns(self, filter: LogFilter) -> PatternTable:
        """Return the most frequent kinds of messages; see Store.patterns."""
        return self._readers.patterns(filter)

    def compare(
        self,
        before: LogFilter,
        after: LogFilter,
        *,
        min_ratio: float = MIN_RATIO,
        limit: int = 20,
    ) -> WindowComparison:
        """Return what two windows differ in; see Store.compare."""
        return self._readers.compare(before, after, min_ratio, limit)

    def facets(self, field: str, filter: LogFilter) -> Facets:
        """Return the most frequent values of a field; see Store.facets."""
        return self._readers.facets(field, filter)

    def arrivals(self, filter: LogFilter) -> Arrivals:
        """Return what was stored since; see Store.arrivals."""
        return self._readers.arrivals(filter)

    def export(self, filter: LogFilter) -> Export:
        """Return an iterator over every record that matches; see Store.export."""
        return self._readers.export(filter)

    def window(self) -> Window:
        """Return the accepted window; see Store.window."""
        if self._window is None:
            self._window = self._readers.window()
        return self._window

    def ping(self) -> None:
        """Return when PostgreSQL answers; see Store.ping."""
        self._readers.ping()

    def check(self) -> None:
        """Return when batches can be written; see Store.check."""
        self._writer.check()

    def hang_up(self) -> None:
        """Wait for no answer any longer; see Store.hang_up."""
        self._writer.hang_up()
        self._second.hang_up()
        self._readers.hang_up()

    def totals(self) -> StoreTotals:
        """Return the size of the store; see Store.totals."""
        return self._readers.totals()

    def measures(self) -> Measures:
        """Return what metrics tell of the store; see Store.measures."""
        return self._readers.measures()

    def accounts(self, stream: str, region: tuple[int, int], settling_seconds: float) -> Accounts:
        """Return the ledger of one stream; see Store.accounts."""
        return self._readers.accounts(stream, region, settling_seconds)

    def neighbours(
        self, wanted: Sequence[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], Neighbours]:
        """Return when the numbers beside ranges were committed; see Store.neighbours."""
        return self._readers.neighbours(wanted)

    def active_producers(self, since: datetime) -> set[int]:
        """Return who was active; see Store.active_producers."""
        return self._readers.active_producers(since)

    def balanced_producers(
        self, stream: str, sent: Mapping[int, int], silent_seconds: float
    ) -> frozenset[int]:
        """Return who owes nothing; see Store.balanced_producers."""
        return self._readers.balanced_producers(stream, sent, silent_seconds)

    def contents(self) -> Contents:
        """Return what the log really holds; see Store.contents."""
        return self._readers.contents()

    def dead_letters(self, wanted: DeadLetterFilter) -> tuple[DeadLetter, ...]:
        """Return one page of dead letters; see Store.dead_letters."""
        return self._readers.dead_letters(wanted)

    def dead_letter_reasons(self) -> tuple[DeadLetterReason, ...]:
        """Return the open dead letters by reason; see Store.dead_letter_reasons."""
        return self._readers.dead_letter_reasons()

    def diagnosis(self) -> Diagnosis:
        """Return facts about the database; see Store.diagnosis."""
        found = self._readers.diagnosis()
        with suppress(DeweyError):  # who cannot write may still look
            found = replace(found, writer=self._writer.asked(diagnosis.login))
        return found

    def drop_dead_letters(self, ids: Sequence[str]) -> int:
        """Give open dead letters up; see Store.drop_dead_letters."""
        return self._writer.drop_dead_letters(ids)

    def plan_clear(self, filter: LogFilter, *, everything: bool = False) -> ClearPlan:
        """Return what would be removed; see Store.plan_clear."""
        return self._clearing.plan(filter, everything=everything)

    def clear(
        self,
        filter: LogFilter,
        *,
        asked_by: str,
        everything: bool = False,
        progress: Callable[[int], None] = lambda records: None,
    ) -> Cleared:
        """Remove what matches; see Store.clear."""
        return self._clearing.clear(
            filter, asked_by=asked_by, everything=everything, progress=progress
        )

    def levels(self) -> tuple[LevelSetting, ...]:
        """Return the levels set from outside; see Store.levels."""
        return self._readers.levels()

    def set_level(
        self, component: str, level: str, for_ms: int | None = None, *, change: LevelChange
    ) -> LevelSetting:
        """Set a component's level; see Store.set_level."""
        return self._level_table.set(component, level, for_ms, change)

    def clear_levels(self, component: str | None = None, *, change: LevelChange) -> tuple[str, ...]:
        """Take levels back; see Store.clear_levels."""
        return self._level_table.clear(component, change)

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._second.close()
        self._readers.close()

    def __enter__(self) -> PostgresStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
