"""How often each kind of message came: whole hours from the rollups, the rest counted.

The rollups know the hour and the pattern, so they answer for time alone; with any other filter
the records are counted, partition by partition and within a budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from dewey_logs import sizes
from dewey_logs.answers import PatternCount, PatternTable
from dewey_logs.budget import Row, ask, ask_by_partition, asking, filled, limited, only_time, walk
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.database import Connection
from dewey_logs.filters import Conditions, LogFilter, bounds, check_limit, conditions
from dewey_logs.rows import LogRecordView
from dewey_logs.times import EPOCH, rfc3339

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
SAMPLES_TIMEOUT_MS = 300
NARROW = "narrow since or until, or ask by time alone"


class Seen(NamedTuple):
    """How often a pattern came, and when first and last; `exactly`, or as the hours' beginnings."""

    n: int
    first: datetime
    last: datetime
    exactly: bool


class Described(NamedTuple):
    """What a pattern stands for, and one of its records if one was found in time."""

    template: str
    sample: LogRecordView | None


def patterns(
    connection: Connection, wanted: LogFilter, now: datetime | None = None
) -> PatternTable:
    """Return the most frequent patterns, `limit` of them.

    Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_limit(wanted.limit)
    since, until = bounds(wanted, now or datetime.now(UTC))
    conditions(wanted, since, until)
    reached: datetime | None = None
    with asking(connection, NARROW):
        if only_time(wanted):
            found, strategy = _by_hours(connection, since, until), "rollup"
        else:
            counted = ask_by_partition(
                connection, "patterns_counted", wanted, (since, until), lambda _: {}
            )
            found, reached, strategy = summed(counted.rows, True), counted.reached, "count"
        top = sorted(found.items(), key=lambda item: (-item[1].n, item[0]))[: wanted.limit]
        stretches = {pattern: stretch_of(seen, since, until) for pattern, seen in top}
        described = describe(connection, stretches, conditions(wanted, None, None))
    return PatternTable(
        patterns=tuple(_shown(pattern, seen, described[pattern]) for pattern, seen in top),
        distinct=len(found),
        returned=len(top),
        truncated=len(found) > len(top),
        matched=sum(seen.n for seen in found.values()),
        matched_capped=reached is not None,
        scan_incomplete=reached is not None,
        reached=None if reached is None else rfc3339(reached),
        strategy=strategy,
        took_ms=(time.perf_counter() - began) * 1000,
    )


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour."""
    return EPOCH + (moment - EPOCH) // HOUR * HOUR


def count_within(connection: Connection, low: datetime, high: datetime) -> list[Row]:
    """Return (pattern, count, first, last) of the records themselves."""
    if low >= high:
        return []
    return ask(connection, "patterns_counted", conditions(LogFilter(), low, high))


def describe(
    connection: Connection,
    stretches: Mapping[int, tuple[datetime, datetime]],
    matching: Conditions,
    samples_ms: int = SAMPLES_TIMEOUT_MS,
    *,
    order: str = "desc",
    any_will_do: bool = True,
) -> dict[int, Described]:
    """Return the template of each pattern and a record of it within its stretch of time.

    If any will do, and without another filter than time, that is the record which the pattern was
    first met in, so long as it is still there; else the first one in `order` is looked for, all of
    them within `samples_ms`. Where samples come to 16 MB, the other patterns have none.
    """
    known = any_will_do and not matching.clauses
    found: dict[int, Described] = {}
    left = sizes.MAX_BYTES
    with closing(walk(connection, "pattern_templates", **_arrays(stretches))) as rows:
        for pattern, template, *sample, n_bytes in rows:
            usable = known and sample[0] is not None and n_bytes <= left
            left -= n_bytes if usable else 0
            found[pattern] = Described(template or "", LogRecordView(*sample) if usable else None)
    missing = {p: stretch for p, stretch in stretches.items() if found[p].sample is None}
    for pattern, view, n_bytes in _samples(connection, missing, matching, samples_ms, order):
        if n_bytes <= left:
            left -= n_bytes
            found[pattern] = found[pattern]._replace(sample=view)
    return found


def _samples(
    connection: Connection,
    missing: Mapping[int, tuple[datetime, datetime]],
    matching: Conditions,
    samples_ms: int,
    order: str,
) -> Iterator[tuple[int, LogRecordView, int]]:
    """Yield the first record, in `order`, of each pattern that one is found of in time; its bytes.

    A pattern that came once at the beginning of a full hour takes a walk through all of it. So the
    rows are taken as they come, a statement has a quarter of the time left, and the pattern that
    it ended at goes to the end of the line.
    """
    until = time.monotonic() + samples_ms / 1000
    waiting = dict(missing)
    while waiting and (left_ms := int((until - time.monotonic()) * 1000 / 4)) > 0:
        query = filled("pattern_samples", matching, order=order)
        try:
            with limited(connection, left_ms), connection.cursor() as cursor:
                for pattern, *sample, n_bytes in cursor.stream(
                    query, {**matching.values, **_arrays(waiting)}
                ):
                    del waiting[pattern]
                    if sample[0] is not None:
                        yield pattern, LogRecordView(*sample), n_bytes
        except psycopg.errors.QueryCanceled:
            give_up_if_cancelled()
            slow = next(iter(waiting))
            waiting[slow] = waiting.pop(slow)


def _arrays(stretches: Mapping[int, tuple[datetime, datetime]]) -> dict[str, Any]:
    return {
        "patterns": list(stretches),
        "lows": [low for low, _ in stretches.values()],
        "highs": [high for _, high in stretches.values()],
    }


def _by_hours(
    connection: Connection, since: datetime | None, until: datetime | None
) -> dict[int, Seen]:
    """Return what came between two moments: whole hours summed up, both ends counted."""
    [(oldest, newest)] = ask(connection, "pattern_span")
    if oldest is None:
        return {}
    low, high = since or oldest, until or newest
    first, last = hour_of(low + HOUR - MICROSECOND), hour_of(high)
    if first >= last:
        return summed(count_within(connection, low, high), True)
    whole = summed(ask(connection, "pattern_hours", low=first, high=last), False)
    ends = (
        *count_within(connection, max(low, oldest), first),
        *count_within(connection, last, min(high, newest)),
    )
    return summed(ends, True, whole)


def summed(
    rows: Iterable[Row], exactly: bool, known: Mapping[int, Seen] | None = None
) -> dict[int, Seen]:
    """Return what rows of (pattern, count, first, last) say together."""
    found = dict(known or {})
    for pattern, n, first, last in rows:
        seen = found.get(pattern)
        if seen is None:
            found[pattern] = Seen(n, first, last, exactly)
        else:
            found[pattern] = Seen(
                seen.n + n,
                min(seen.first, first),
                max(seen.last, last),
                seen.exactly and exactly,
            )
    return found


def stretch_of(
    seen: Seen, since: datetime | None, until: datetime | None, order: str = "desc"
) -> tuple[datetime, datetime]:
    """Return where the last record is, or in ascending order the first: a moment, or an hour."""
    at = seen.last if order == "desc" else seen.first
    if seen.exactly:
        return at, at + MICROSECOND
    low, high = hour_of(at), hour_of(at) + HOUR
    return max(low, since or low), min(high, until or high)


def _shown(pattern: int, seen: Seen, described: Described) -> PatternCount:
    return PatternCount(
        pattern=pattern,
        template=described.template,
        n=seen.n,
        first_seen=rfc3339(seen.first),
        last_seen=rfc3339(seen.last),
        seen_exactly=seen.exactly,
        sample=described.sample,
    )
