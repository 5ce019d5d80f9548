"""The store: one protocol, so that a Dewey behind HTTP can stand where PostgreSQL does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

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
from dewey_logs.clearing import Cleared, ClearPlan
from dewey_logs.comparison import MIN_RATIO
from dewey_logs.contents import Contents
from dewey_logs.context import Same
from dewey_logs.deadletters import DeadLetter, DeadLetterFilter, DeadLetterReason
from dewey_logs.diagnosis import Diagnosis
from dewey_logs.export import Export
from dewey_logs.filters import LogFilter
from dewey_logs.levels import LevelChange, LevelSetting
from dewey_logs.measures import Measures
from dewey_logs.rows import Batch, LogRow, Page, SetBack, StoreTotals, Window, WriteResult
from dewey_logs.traces import DEFAULT_RECORDS
from dewey_logs.writer import Prepared


class Store(Protocol):
    """Where records are kept; for any thread. Two writes go on at a time, a third one waits."""

    def prepare(self, rows: Sequence[LogRow]) -> Prepared:
        """Do what writing rows takes before the store is needed; on any thread."""
        ...

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult:
        """Store a batch in one transaction: all of it is on disk when this returns, or nothing.

        `prepared` is what `prepare` made of the batch's rows, None to have it done here.
        Rows known already are counted, rows that cannot be stored come back as rejects and are kept
        as dead letters. Raises Unavailable (send the same batch again later) or SchemaProblem.
        """
        ...

    def query(self, filter: LogFilter) -> Page:
        """Return one page; raises BadFilter, QueryTimeout, Unavailable or SchemaProblem."""
        ...

    def context(
        self,
        record_id: str,
        created_at: datetime | None = None,
        *,
        before: int = 10,
        after: int = 10,
        same: Same | None = None,
    ) -> Context | None:
        """Return a record and those around it, None when there is none; see dewey_logs.context."""
        ...

    def trace(self, trace_id: str, limit: int = DEFAULT_RECORDS) -> Trace | None:
        """Return a trace in order, None when there is none; of a UUID a beginning will do."""
        ...

    def histogram(self, filter: LogFilter, interval: str = "auto") -> Histogram:
        """Return counts by level over time; quick for time, component and level alone."""
        ...

    def summary(self, filter: LogFilter, disk: bool = True) -> Summary:
        """Return counts by component, level and day; the filter can speak of nothing else.

        Without `disk`, what the days take on disk is not looked up, and None.
        """
        ...

    def patterns(self, filter: LogFilter) -> PatternTable:
        """Return the most frequent kinds of messages; quick for time alone."""
        ...

    def compare(
        self,
        before: LogFilter,
        after: LogFilter,
        *,
        min_ratio: float = MIN_RATIO,
        limit: int = 20,
    ) -> WindowComparison:
        """Return which kinds of messages are new, gone or more often; quick for time alone."""
        ...

    def facets(self, field: str, filter: LogFilter) -> Facets:
        """Return the most frequent values of a column, or of a path into data."""
        ...

    def arrivals(self, filter: LogFilter) -> Arrivals:
        """Return what was stored since `filter.cursor`, or, without one, where to begin."""
        ...

    def export(self, filter: LogFilter) -> Export:
        """Return an iterator over every record that matches; close it, or use it in `with`."""
        ...

    def window(self) -> Window:
        """Return how far a record's own time may lie from its entry's; asked once, then kept."""
        ...

    def ping(self) -> None:
        """Return when the store answers; raises Unavailable or SchemaProblem."""
        ...

    def check(self) -> None:
        """Return when batches can be written; raises NotDurable, Unavailable or SchemaProblem."""
        ...

    def hang_up(self) -> None:
        """End what other threads wait for: it raises Unavailable, if not at once.

        For whoever has to stop now. By itself it waits as long as a statement may take, twice; and
        a connection that is being made, as long as that may take.
        """
        ...

    def totals(self) -> StoreTotals:
        """Return the size of the store, cheaply: rows are estimated once they are many."""
        ...

    def measures(self) -> Measures:
        """Return what metrics tell of the store, in a time that its records do not lengthen."""
        ...

    def accounts(self, stream: str, region: tuple[int, int], settling_seconds: float) -> Accounts:
        """Return the ledger of one stream for an audit; see dewey_logs.accounts."""
        ...

    def neighbours(
        self, wanted: Sequence[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], Neighbours]:
        """Return when the numbers beside ranges (producer, first, last) were committed first."""
        ...

    def active_producers(self, since: datetime) -> set[int]:
        """Return the producers of which anything was settled since then."""
        ...

    def balanced_producers(
        self, stream: str, sent: Mapping[int, int], silent_seconds: float
    ) -> frozenset[int]:
        """Return which producers owe nothing up to what they announced and were silent so long."""
        ...

    def contents(self) -> Contents:
        """Return what the log really holds beside what the ledger says; reads every row."""
        ...

    def dead_letters(self, wanted: DeadLetterFilter) -> tuple[DeadLetter, ...]:
        """Return one page of dead letters; raises BadFilter for an id that can be none."""
        ...

    def dead_letter_reasons(self) -> tuple[DeadLetterReason, ...]:
        """Return the open dead letters by reason, the most frequent first."""
        ...

    def diagnosis(self) -> Diagnosis:
        """Return facts about the database for whoever looks after it; see dewey_logs.diagnosis."""
        ...

    def drop_dead_letters(self, ids: Sequence[str]) -> int:
        """Give open dead letters up, by their whole ids; return how many were open."""
        ...

    def stream_gone(self, stream: str, at_ms: int) -> bool:
        """Keep that a stream was found missing at that time of its server; return whether new."""
        ...

    def set_back(self, found: SetBack) -> bool:
        """Keep that a stream came back in an older state; return whether that was news.

        Give it for every reading of the counter that the stream does not stand by: the one that
        counts most is kept.
        """
        ...

    def plan_clear(self, filter: LogFilter, *, everything: bool = False) -> ClearPlan:
        """Return what `clear` would remove, and change nothing; give its `filter` to `clear`.

        Raises what `clear` raises. Takes about 10 s at most.
        """
        ...

    def clear(
        self,
        filter: LogFilter,
        *,
        asked_by: str,
        everything: bool = False,
        progress: Callable[[int], None] = lambda records: None,
    ) -> Cleared:
        """Remove the stored records that match, as the owner, and log who asked for it.

        `everything` says that an empty filter is meant. `progress` is told after each transaction
        how many records went with it. Stopped anywhere, log and counts agree, and doing it again
        finishes it. Raises BadFilter (also for a limit, a cursor or an order), QueryTimeout,
        Unavailable, SchemaProblem, and DeweyError while another clear or maintenance is at work.
        """
        ...

    def levels(self) -> tuple[LevelSetting, ...]:
        """Return the levels set from outside that are in force, by component."""
        ...

    def set_level(
        self, component: str, level: str, for_ms: int | None = None, *, change: LevelChange
    ) -> LevelSetting:
        """Set the least level that a component logs (`*`: every other one), for good or a while.

        `level` is one of TRACE DEBUG INFO WARN ERROR. Needs the owner's login. The log keeps a
        record of it, and of who asked for it.
        """
        ...

    def clear_levels(self, component: str | None = None, *, change: LevelChange) -> tuple[str, ...]:
        """Take back a component's level, or every one; return whose. Like `set_level`."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...

    def __enter__(self) -> Store: ...

    def __exit__(self, *_: object) -> None: ...
