"""How many records there were when: from the rollups where the filter lets them answer.

Intervals begin at whole multiples of their length since 1970 (UTC), and the time asked for is
widened to whole intervals: a first and last column that are cut off would look like a fall.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from dewey_logs.answers import Bucket, Histogram, LevelCounts
from dewey_logs.budget import Counted, Row, ask, ask_by_partition, asking, only_counts
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, bounds, conditions
from dewey_logs.times import EPOCH, rfc3339

MAX_BUCKETS = 1_000
AUTO_BUCKETS = 60
STEPS_S = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800)
ROLLUP_S, HOUR_S = 60, 3_600

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_INTERVAL = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)


def histogram(
    connection: Connection, wanted: LogFilter, interval: str = "auto", now: datetime | None = None
) -> Histogram:
    """Return counts by level over time; `interval` is like 30s, 5m, 1h, 1d, or auto.

    Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    step_s = _interval(interval)
    since, until = bounds(wanted, now or datetime.now(UTC))
    conditions(wanted, since, until)  # says what is wrong with it, also where there is no record
    narrow = "narrow since, until or component, or ask by component and level alone"
    with asking(connection, narrow):
        [(oldest, newest)] = ask(connection, "rollup_span")
        if oldest is None:
            oldest = newest = now or datetime.now(UTC)
        low = since if since is not None else min(oldest, until or oldest)
        high = until if until is not None else max(newest, low)
        quick = only_counts(wanted)
        step_s = step_s or _auto(high - low, quick)
        step = timedelta(seconds=step_s)
        low = EPOCH + (low - EPOCH) // step * step
        high = EPOCH - (EPOCH - high) // step * step
        columns = (high - low) // step
        if columns > MAX_BUCKETS:
            longer_s = _auto(high - low, quick)
            enough = (high - low) // timedelta(seconds=longer_s) <= MAX_BUCKETS
            raise BadFilter(
                f"interval={interval} makes {columns} columns: allowed are {MAX_BUCKETS}, "
                f"{f'take {_text(longer_s)}' if enough else 'narrow since or until'}"
            )
        bound: dict[str, Any] = {"step": step, "origin": EPOCH}
        if quick and step_s % ROLLUP_S == 0:
            matching = conditions(wanted, low, high)
            name = "histogram_minutes" if step_s % HOUR_S else "histogram_hours"
            counted = Counted(ask(connection, name, matching, low=low, high=high, **bound), None)
            strategy = "rollup"
        else:
            counted = ask_by_partition(
                connection, "histogram_counted", wanted, (low, high), lambda _: bound
            )
            strategy = "count"
    if counted.reached is not None:
        low = max(low, EPOCH - (EPOCH - counted.reached) // step * step)
    buckets = _buckets(counted.rows, low, high, step)
    cut = counted.reached is not None
    return Histogram(
        since=rfc3339(low),
        until=rfc3339(high),
        interval_s=step_s,
        buckets=buckets,
        returned=len(buckets),
        truncated=False,
        matched=sum(bucket.counts.total for bucket in buckets),
        matched_capped=cut,
        scan_incomplete=cut,
        reached=rfc3339(low) if cut else None,
        strategy=strategy,
        took_ms=(time.perf_counter() - began) * 1000,
    )


def level_counts(levels: Iterable[tuple[str, int]]) -> LevelCounts:
    """Return the sums of (level, count)."""
    sums: defaultdict[str, int] = defaultdict(int)
    for level, n in levels:
        sums[level.lower()] += n
    return LevelCounts(**sums)


def _buckets(rows: list[Row], low: datetime, high: datetime, step: timedelta) -> tuple[Bucket, ...]:
    by_start: defaultdict[datetime, list[tuple[str, int]]] = defaultdict(list)
    for start, level, n in rows:
        by_start[start].append((level, n))
    starts = (low + i * step for i in range((high - low) // step))
    return tuple(Bucket(rfc3339(start), level_counts(by_start[start])) for start in starts)


def _interval(text: str) -> int | None:
    """Return the seconds of an interval, None for auto."""
    if text == "auto":
        return None
    found = _INTERVAL.fullmatch(text.strip().lower())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= 366 * 86_400:
        raise BadFilter(f"interval={text!r:.40} is no interval: try auto, 30s, 5m, 1h or 1d")
    return seconds


def _auto(length: timedelta, quick: bool) -> int:
    """Return the first usual interval that needs few enough columns; a minute if that is quick."""
    steps = STEPS_S if not quick else tuple(s for s in STEPS_S if s >= ROLLUP_S)
    too_short = takewhile(lambda s: length / timedelta(seconds=s) > AUTO_BUCKETS, steps)
    return [*steps, steps[-1]][len(list(too_short))]


def _text(seconds: int) -> str:
    unit, size = next((u, s) for u, s in reversed(_SECONDS.items()) if seconds % s == 0)
    return f"{seconds // size}{unit}"
