"""What the questions besides a page of records are answered with.

Each answer says how it was found (`strategy`), how long that took, and whether it is all there is:
`truncated` when a list was cut at a limit, `scan_incomplete` when counting ran out of its budget,
and then it is complete from `reached` on. Times are RFC 3339, UTC.
"""

from __future__ import annotations

import msgspec

from dewey_logs.rows import LogRecordView


class Context(msgspec.Struct, frozen=True):
    """A record and those around it, oldest first; `rows[position]` is the record itself.

    `strategy` is how it was found: by its `time`, by the time in its `id`, as a `moved` record, or
    by a `scan`. `truncated`: there are more before or after; also where a side came to 16 MB.
    """

    rows: tuple[LogRecordView, ...]
    position: int
    returned: int
    truncated: bool
    more_before: bool
    more_after: bool
    strategy: str
    took_ms: float


class TraceRecord(msgspec.Struct, frozen=True):
    """One record of a trace: ms since the trace's first record and since the one before."""

    record: LogRecordView
    offset_ms: float
    gap_ms: float


class Trace(msgspec.Struct, frozen=True):
    """A trace in order. All but `rows` is about the whole of it, also when `truncated`.

    `total` counts up to 100,000 records, the oldest ones, and `components` are those of them;
    `total_capped` says that there are more. `scan_incomplete`: there was no time to look through
    all of it for a `first_error`; otherwise None says that there is none.
    """

    trace_id: str
    rows: tuple[TraceRecord, ...]
    returned: int
    truncated: bool
    total: int
    total_capped: bool
    started: str
    ended: str
    duration_ms: float
    components: tuple[str, ...]
    first_error: LogRecordView | None
    scan_incomplete: bool
    strategy: str
    took_ms: float


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


class Histogram(msgspec.Struct, frozen=True):
    """Counts over time, oldest first and without gaps.

    `since` and `until` are those asked for, widened to whole intervals.
    """

    since: str | None
    until: str | None
    interval_s: int
    buckets: tuple[Bucket, ...]
    total: int
    returned: int
    truncated: bool
    scan_incomplete: bool
    reached: str | None
    strategy: str
    took_ms: float


class ComponentCounts(msgspec.Struct, frozen=True):
    """One component: its records by level, and the bytes of their messages."""

    component: str
    counts: LevelCounts
    bytes: int


class DayCounts(msgspec.Struct, frozen=True):
    """One day (UTC): its records by level, the bytes of their messages.

    `disk_bytes` is what the day's partitions take with their indexes, whatever the filter.
    """

    day: str
    counts: LevelCounts
    bytes: int
    disk_bytes: int


class Summary(msgspec.Struct, frozen=True):
    """How much there is of what, most frequent component first.

    `since` and `until` are those asked for, widened to whole minutes.
    """

    since: str | None
    until: str | None
    total: int
    bytes: int
    disk_bytes: int
    oldest: str | None
    newest: str | None
    levels: LevelCounts
    components: tuple[ComponentCounts, ...]
    days: tuple[DayCounts, ...]
    returned: int
    truncated: bool
    strategy: str
    took_ms: float


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


class PatternTable(msgspec.Struct, frozen=True):
    """The most frequent patterns; `distinct` is how many there are."""

    patterns: tuple[PatternCount, ...]
    distinct: int
    total: int
    returned: int
    truncated: bool
    scan_incomplete: bool
    reached: str | None
    strategy: str
    took_ms: float


class PatternChange(msgspec.Struct, frozen=True):
    """One pattern in two windows; `ratio` is of its rates, None where it was not there before."""

    pattern: int
    template: str
    before: int
    after: int
    ratio: float | None
    sample: LogRecordView | None


class WindowComparison(msgspec.Struct, frozen=True):
    """What two windows differ in, each list with the greatest difference first.

    The lists are cut at the limit; the three numbers are those of all.
    """

    new: tuple[PatternChange, ...]
    gone: tuple[PatternChange, ...]
    grew: tuple[PatternChange, ...]
    new_count: int
    gone_count: int
    grew_count: int
    total_before: int
    total_after: int
    returned: int
    truncated: bool
    strategy: str
    took_ms: float


class FacetValue(msgspec.Struct, frozen=True):
    """One value of a field, as text, and how many records have it.

    Of a longer value the first 256 characters count.
    """

    value: str
    n: int


class Facets(msgspec.Struct, frozen=True):
    """The most frequent values of a field among the `scanned` records.

    `sampled`: it stopped at so many, the newest that match. `missing` counts those without the
    field.
    """

    field: str
    values: tuple[FacetValue, ...]
    distinct: int
    missing: int
    scanned: int
    sampled: bool
    returned: int
    truncated: bool
    scan_incomplete: bool
    reached: str | None
    strategy: str
    took_ms: float


class Arrivals(msgspec.Struct, frozen=True):
    """The records that were stored since a cursor, oldest first; `next_cursor` goes on behind them.

    `truncated`: more have arrived already.
    """

    rows: tuple[LogRecordView, ...]
    returned: int
    truncated: bool
    next_cursor: str
    took_ms: float
