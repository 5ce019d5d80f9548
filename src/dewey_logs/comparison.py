"""Two windows against each other: which kinds of message are new, gone, or more than they were.

Windows rarely begin with an hour, and counting two of 400,000 records each takes most of a second.
So a window is the difference of two edges: what the hours up to each add up to, and what lies
between an edge and the nearest full hour, counted once and taken off where the next hour is nearer.
At most half an hour is counted at each edge, nothing at an edge that is now, and two windows that
meet share one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dewey_logs.answers import PatternChange, WindowComparison
from dewey_logs.budget import ask, ask_by_partition, asking, only_time
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter, QueryTimeout
from dewey_logs.filters import LogFilter, bounds, check_limit, conditions
from dewey_logs.pattern_counts import (
    HOUR,
    NARROW,
    SAMPLES_TIMEOUT_MS,
    Described,
    Seen,
    count_within,
    describe,
    hour_of,
    stretch_of,
    summed,
)

MIN_RATIO = 1.5
Counts = dict[int, int]
Span = tuple[datetime, datetime]


def compare(
    connection: Connection,
    before: LogFilter,
    after: LogFilter,
    *,
    min_ratio: float = MIN_RATIO,
    limit: int = 20,
    now: datetime | None = None,
) -> WindowComparison:
    """Return what is new, gone and grown in `after`, each list cut at `limit`.

    The sample of what is new is the first of it, of what is gone or grown the last, or any other
    where that is not found in time. Both filters need `since`; `until` is now where it is left out.
    Rates are compared, so the windows may differ in length: `min_ratio` is how many times more
    often is grown. Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_limit(limit)
    if not min_ratio >= 1:
        raise BadFilter(f"min_ratio={min_ratio} is not possible: allowed is 1 or more")
    moment = now or datetime.now(UTC)
    windows = [_window(wanted, moment) for wanted in (before, after)]
    with asking(connection, NARROW):
        if only_time(before) and only_time(after):
            edges = _Edges(connection, moment)
            old, new = (edges.between(*window) for window in windows)
            seen = [_by_hour(connection, *window) for window in windows]
            strategy = "rollup"
        else:
            asked = zip((before, after), windows, strict=True)
            seen = [_counted(connection, *one) for one in asked]
            old, new = ({pattern: one.n for pattern, one in found.items()} for found in seen)
            strategy = "count"
        scale = (windows[1][1] - windows[1][0]) / (windows[0][1] - windows[0][0])
        lists = _differences(old, new, scale, min_ratio)
        shown = [found[:limit] for found in lists]
        new_ones, gone, grown = shown
        kinds = [
            _Shown(after, windows[1], seen[1], new_ones, "asc"),
            _Shown(before, windows[0], seen[0], gone, "desc"),
            _Shown(after, windows[1], seen[1], grown, "desc"),
        ]
        described = _described(connection, kinds)

    def change(pattern: int) -> PatternChange:
        a, b = old.get(pattern, 0), new.get(pattern, 0)
        return PatternChange(
            pattern=pattern,
            template=described[pattern].template,
            before=a,
            after=b,
            ratio=b / (a * scale) if a else None,
            sample=described[pattern].sample,
        )

    return WindowComparison(
        new=tuple(map(change, shown[0])),
        gone=tuple(map(change, shown[1])),
        grew=tuple(map(change, shown[2])),
        new_count=len(lists[0]),
        gone_count=len(lists[1]),
        grew_count=len(lists[2]),
        total_before=sum(old.values()),
        total_after=sum(new.values()),
        returned=sum(map(len, shown)),
        truncated=any(len(found) > limit for found in lists),
        matched=sum(old.values()) + sum(new.values()),
        strategy=strategy,
        took_ms=(time.perf_counter() - began) * 1000,
    )


def _window(wanted: LogFilter, now: datetime) -> Span:
    since, until = bounds(wanted, now)
    conditions(wanted, since, until)
    if since is None:
        raise BadFilter("a comparison needs since in both windows")
    until = until or now
    if since >= until:
        raise BadFilter(f"since={wanted.since} is not before until={wanted.until or 'now'}")
    return since, until


def _differences(
    old: Mapping[int, int], new: Mapping[int, int], scale: float, min_ratio: float
) -> tuple[list[int], list[int], list[int]]:
    """Return the patterns that are new, gone and grown, the greatest difference first."""

    def more(pattern: int) -> float:
        return new.get(pattern, 0) - old.get(pattern, 0) * scale

    return (
        sorted(new.keys() - old.keys(), key=lambda p: (-more(p), p)),
        sorted(old.keys() - new.keys(), key=lambda p: (more(p), p)),
        sorted(
            (p for p in old.keys() & new.keys() if new[p] >= min_ratio * scale * old[p]),
            key=lambda p: (-more(p), p),
        ),
    )


def _counted(connection: Connection, wanted: LogFilter, window: Span) -> dict[int, Seen]:
    """Return the patterns of the records that match; half of a window is none."""
    counted = ask_by_partition(connection, "patterns_counted", wanted, window, lambda _: {})
    if counted.reached is not None:
        raise QueryTimeout(f"the question ran out of time: {NARROW}")
    return summed(counted.rows, True)


def _by_hour(connection: Connection, low: datetime, high: datetime) -> dict[int, Seen]:
    """Return the patterns of all hours that a window touches."""
    return summed(ask(connection, "pattern_hours", low=hour_of(low), high=high), False)


class _Shown(NamedTuple):
    """Patterns of one window, when they came in it, and whose record in `order` is their sample."""

    wanted: LogFilter
    window: Span
    seen: Mapping[int, Seen]
    patterns: list[int]
    order: str

    def stretches(self, patterns: list[int]) -> dict[int, Span]:
        """Return where these have their sample; an hour may have its records beyond the window."""
        return {
            pattern: stretch_of(self.seen[pattern], *self.window, self.order)
            for pattern in patterns
            if pattern in self.seen
        }


def _described(connection: Connection, kinds: list[_Shown]) -> dict[int, Described]:
    """Return what patterns stand for, and records of them that their window's filter lets in.

    Each is looked for where the counts say; then, for those that are missing, in all of the window;
    in the end the record that a pattern was first met in will do.
    """
    found: dict[int, Described] = {}
    until = time.monotonic() + SAMPLES_TIMEOUT_MS / 1000
    for narrow, any_will_do in ((True, False), (False, False), (False, True)):
        for kind in kinds:
            missing = [p for p in kind.patterns if p not in found or found[p].sample is None]
            whole = dict.fromkeys(missing, kind.window)
            if missing:
                found |= describe(
                    connection,
                    kind.stretches(missing) if narrow else whole,
                    conditions(kind.wanted, None, None),
                    int((until - time.monotonic()) * 1000),
                    order=kind.order,
                    any_will_do=any_will_do,
                )
    return found


class _Edges:
    """Counts up to moments, each asked once; for one snapshot."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._known: dict[datetime, Counts] = {}

    def between(self, low: datetime, high: datetime) -> Counts:
        """Return the patterns of a window and how often each came."""
        if high - low <= self._cost(low) + self._cost(high):
            return {row[0]: row[1] for row in count_within(self._connection, low, high)}
        found = self._hours(hour_of(low), hour_of(high))
        for sign, edge in ((-1, low), (1, high)):
            for pattern, n in self._since_hour(edge).items():
                found[pattern] = found.get(pattern, 0) + sign * n
        return {pattern: n for pattern, n in found.items() if n}

    def _hours(self, low: datetime, high: datetime) -> Counts:
        rows = ask(self._connection, "pattern_hours", low=low, high=high)
        return {row[0]: row[1] for row in rows}

    def _cost(self, edge: datetime) -> timedelta:
        """Return how long a stretch has to be counted at an edge."""
        if edge in self._known:
            return timedelta()
        return min(edge - hour_of(edge), self._to_next(edge))

    def _to_next(self, edge: datetime) -> timedelta:
        """Return how much of the edge's hour lies behind it; next to nothing has a time to come."""
        end = hour_of(edge) + HOUR
        return max(min(end, self._now) - edge, timedelta())

    def _since_hour(self, edge: datetime) -> Counts:
        """Return the counts from the beginning of the edge's hour up to it."""
        if edge not in self._known:
            hour = hour_of(edge)
            if edge - hour <= self._to_next(edge):
                rows = count_within(self._connection, hour, edge)
                self._known[edge] = {row[0]: row[1] for row in rows}
            else:
                found = self._hours(hour, hour + HOUR)
                for pattern, n, *_ in count_within(self._connection, edge, hour + HOUR):
                    found[pattern] = found.get(pattern, 0) - n
                self._known[edge] = found
        return self._known[edge]
