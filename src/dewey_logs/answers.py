"""What the questions besides a page of records are answered with.

All of them say the same things of themselves, and a page says them too: see `Answer`. Times are RFC
3339, UTC.
"""

from __future__ import annotations

import msgspec

from dewey_logs.rows import LogRecordView


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer says of itself.

    `returned` is the length of its list, `truncated` that this was cut at the limit. `next_cursor`
    is where the rest begins, None where there is none, or no pages: then a higher limit will do.
    `matched` counts the records that the answer is about; `matched_capped`: there are more.
    `scan_incomplete`: the time was up before all was looked at, and what is told is complete from
    `reached` on, where the order is one of time. `strategy` is how it was found, `took_ms` how long
    that took.
    """

    returned: int
    truncated: bool
    next_cursor: str | None = None
    matched: int
    matched_capped: bool = False
    scan_incomplete: bool = False
    reached: str | None = None
    strategy: str
    took_ms: float


class Context(Answer, frozen=True, kw_only=True):
    """A record and those around it, oldest first; `rows[position]` is the record itself.

    `strategy` is how it was found: by its `time`, by the time in its `id`, as a `moved` record, or
    by a `scan`. `truncated`: there are more before or after; also where a side came to 16 MB.
    `matched` are those shown.
    """

    rows: tuple[LogRecordView, ...]
    position: int
    more_before: bool
    more_after: bool


class TraceRecord(msgspec.Struct, frozen=True):
    """One record of a trace: ms since the trace's first record and since the one before."""

    record: LogRecordView
    offset_ms: float
    gap_ms: float


class Trace(Answer, frozen=True, kw_only=True):
    """A trace in order. All but `rows` is about the whole of it, also when `truncated`.

    `matched` goes up to 100,000 records, the oldest ones, and `components` are those of them.
    `next_cursor` is for a query with this trace_id and order=asc. `scan_incomplete`: there was no
    time to look through all of it for a `first_error`; otherwise None says that there is none.
    """

    trace_id: str
    rows: tuple[TraceRecord, ...]
    started: str
    ended: str
    duration_ms: float
    components: tuple[str, ...]
    first_error: LogRecordView | None


class LevelCounts(msgspec.Struct, frozen=True):
    """How many records there are of each level."""

    trace: int = 0
    debug: int = 0
    info: int = 0
    warn: int = 0
    error: int = 0

    @property
    def total(self) -> int:
        return self.trace + self.debug + self.info + self.warn + self.error


class Bucket(msgspec.Struct, frozen=True):
    """The records from `start` on, for one interval."""

    start: str
    counts: LevelCounts


class Histogram(Answer, frozen=True, kw_only=True):
    """Counts over time, oldest first and without gaps; `matched` is their sum.

    `since` and `until` are those asked for, widened to whole intervals.
    """

    since: str | None
    until: str | None
    interval_s: int
    buckets: tuple[Bucket, ...]


class ComponentCounts(msgspec.Struct, frozen=True):
    """One component: its records by level, and the bytes of their messages."""

    component: str
    counts: LevelCounts
    bytes: int


class DayCounts(msgspec.Struct, frozen=True):
    """One day (UTC): its records by level, the bytes of their messages.

    `disk_bytes` is what the day's partitions take with their indexes, whatever the filter; None
    where nobody asked for it.
    """

    day: str
    counts: LevelCounts
    bytes: int
    disk_bytes: int | None


class Summary(Answer, frozen=True, kw_only=True):
    """How much there is of what, most frequent component first; `matched` is the sum.

    `since` and `until` are those asked for, widened to whole minutes.
    """

    since: str | None
    until: str | None
    bytes: int
    disk_bytes: int | None
    oldest: str | None
    newest: str | None
    levels: LevelCounts
    components: tuple[ComponentCounts, ...]
    days: tuple[DayCounts, ...]


class PatternCount(msgspec.Struct, frozen=True):
    """One kind of message, how often it came, and one record of it.

    Unless `seen_exactly`, `first_seen` and `last_seen` are the hours (their beginnings) in which
    the first and the last one came.
    """

    pattern: int
    template: str
    n: int
    first_seen: str
    last_seen: str
    seen_exactly: bool
    sample: LogRecordView | None


class PatternTable(Answer, frozen=True, kw_only=True):
    """The most frequent patterns; `distinct` is how many there are, `matched` their records."""

    patterns: tuple[PatternCount, ...]
    distinct: int


class PatternChange(msgspec.Struct, frozen=True):
    """One pattern in two windows; `ratio` is of its rates, None where it was not there before.

    `sample` is the first record of what is new, the last of what is gone or grew.
    """

    pattern: int
    template: str
    before: int
    after: int
    ratio: float | None
    sample: LogRecordView | None


class WindowComparison(Answer, frozen=True, kw_only=True):
    """What two windows differ in, each list with the greatest difference first.

    The lists are cut at the limit; the three numbers are those of all. `matched` are the records
    of both windows.
    """

    new: tuple[PatternChange, ...]
    gone: tuple[PatternChange, ...]
    grew: tuple[PatternChange, ...]
    new_count: int
    gone_count: int
    grew_count: int
    total_before: int
    total_after: int


class FacetValue(msgspec.Struct, frozen=True):
    """One value of a field, as text, and how many records have it.

    Of a longer value the first 256 characters count.
    """

    value: str
    n: int


class Facets(Answer, frozen=True, kw_only=True):
    """The most frequent values of a field among the `matched` records.

    `sampled`: it stopped at so many, the newest that match. `missing` counts those without the
    field.
    """

    field: str
    values: tuple[FacetValue, ...]
    distinct: int
    missing: int
    sampled: bool


class Arrivals(Answer, frozen=True, kw_only=True):
    """The records that were stored since a cursor, oldest first; `next_cursor` goes on behind them.

    There always is one. `truncated`: more have arrived already.
    """

    rows: tuple[LogRecordView, ...]
    next_cursor: str
