"""Where the next records of a component or a level lie, as the counts kept beside the log tell.

The planner takes every component to be spread evenly: for one that was busy in the morning and is
silent since it walks back through all that the others wrote (measured at ten million rows: two
seconds). The counts are exact, and in one snapshot they agree with the rows. Read by the hour, the
nearest first, and within the hour that fills the page by the minute, they give a stretch of time
that holds as many records as wanted and few more. Reading them costs 1 to 5 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from dewey_logs.database import Connection
from dewey_logs.filters import Conditions
from dewey_logs.statements import filled_in, statement
from dewey_logs.times import EPOCH

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NEAR = 6 * HOUR  # looked at first; a store has thousands of counts for each day
MANY = 1_000  # an hour with more of them is looked at by the minute
FEW = 5_000  # fetched through an index and sorted within 10 ms
LEAST = timedelta(microseconds=1)

Bounds = tuple[datetime | None, datetime | None]


class Whereabouts(NamedTuple):
    """Where the next records are: all of them from `low` until before `high`.

    `rows` is how many there are at most; `promised` says that there are as many as were wanted, so
    that fewer mean that a partition went away meanwhile, which no snapshot sees. `sure` counts the
    matching records of all the time that was asked for, or stops beyond what was wanted; those in
    the parts of a minute at its ends, `ragged`, are not in it. `components` are the names that were
    met, `minutes` those that hold the rows where these are thinly spread, if they were asked for.
    """

    low: datetime
    high: datetime
    rows: int
    promised: bool
    sure: int
    ragged: tuple[Bounds, ...]
    components: tuple[str, ...]
    minutes: tuple[datetime, ...]


class _Count(NamedTuple):
    """So many records from `at` on, `sure` of them within the time asked for."""

    at: datetime
    rows: int
    sure: int
    components: list[str] | None = None


def whereabouts(
    connection: Connection,
    matching: Conditions,
    between: Bounds,
    now: datetime,
    *,
    newest_first: bool,
    rows: int,
    counted: int = 0,
    names: bool = False,
    closely: bool = True,
    thin: bool = False,
) -> Whereabouts | None:
    """Return where the next `rows` records lie, None when there are none at all.

    `matching` speaks of component and level alone, `between` is the time asked for. `counted` is
    how far `sure` has to go; `names` asks for components, `thin` for minutes; unless `closely`, the
    hour will do. For use inside the transaction that reads the rows. Raises psycopg.Error.
    """
    widened, sure = _whole_minutes(*between), _surely(*between)
    hours: list[_Count] = []
    for part in _nearest_first(*widened, now, newest_first):
        hours += _ask(connection, "hours_matching", matching, part, sure, newest_first, names)
        if sum(hour.sure for hour in hours) >= max(rows, counted):
            break
    if not hours:
        return None
    taken = _enough(hours, rows)
    promised = sum(hour.sure for hour in taken) >= rows
    components = sorted({name for hour in taken for name in hour.components or ()})
    first, last = taken[0], taken[-1]
    length = first_length = HOUR
    thin = thin and len(taken) > 1
    minutes: list[_Count] = []
    if thin or (closely and last.rows > MANY):
        looked, before = (taken, []) if thin else ([last], taken[:-1])
        hours_at = [hour.at for hour in looked]
        minutes = _ask(
            connection, "minutes_matching", matching, widened, sure, newest_first, hours=hours_at
        )
        minutes = _enough(minutes, rows - sum(hour.sure for hour in before))
    if minutes:
        taken, last, length = [*before, *minutes], minutes[-1], MINUTE
        first, first_length = (first, HOUR) if before else (minutes[0], MINUTE)
    near, far = (first, first_length), (last, length)
    (low, _), (high, high_length) = (far, near) if newest_first else (near, far)
    return Whereabouts(
        low=_later(low.at, between[0]),
        high=_earlier(high.at + high_length, between[1]),
        rows=sum(part.rows for part in taken),
        promised=promised,
        sure=sum(hour.sure for hour in hours),
        ragged=_ragged(between, sure) if any(hour.rows > hour.sure for hour in hours) else (),
        components=tuple(components),
        minutes=tuple(minute.at for minute in minutes) if thin else (),
    )


def bounded(near: Whereabouts, matching: Conditions) -> Conditions:
    """Return the conditions, within the stretch."""
    found = Conditions()
    found.clauses += matching.clauses
    found.values |= matching.values
    found.add("created_at >= %(low)s AND created_at < %(high)s", low=near.low, high=near.high)
    return found


def _ask(
    connection: Connection,
    name: str,
    matching: Conditions,
    between: Bounds,
    sure: Bounds,
    newest_first: bool,
    names: bool = False,
    hours: Sequence[datetime] = (),
) -> list[_Count]:
    query = filled_in(
        statement(name),
        matching=matching.where,
        names="array_agg(DISTINCT component)" if names else "NULL",
        order="DESC" if newest_first else "ASC",
    )
    values = {
        **matching.values,
        "hours": list(hours),
        "low": between[0],
        "high": between[1],
        "sure_low": sure[0],
        "sure_high": sure[1],
        "origin": EPOCH,
    }
    return [_Count(*row) for row in connection.execute(query, values)]


def _enough(counts: list[_Count], rows: int) -> list[_Count]:
    """Return as many of the counts as certainly hold so many records."""
    taken = 0
    for n, count in enumerate(counts, 1):
        taken += count.sure
        if taken >= rows:
            return counts[:n]
    return counts


def _nearest_first(
    low: datetime | None, high: datetime | None, now: datetime, newest_first: bool
) -> Iterator[Bounds]:
    """Yield the time in two pieces at a whole hour, the one where a page begins first."""
    if newest_first:
        middle: datetime | None = _floor((high or now) - NEAR, HOUR)
        pieces: tuple[Bounds, Bounds] = ((middle, high), (low, middle))
    else:
        middle = None if low is None else _floor(low + NEAR, HOUR)
        pieces = ((low, middle), (middle, high))
    if middle is None or (low and middle <= low) or (high and middle >= high):
        yield low, high
    else:
        yield from pieces


def _floor(at: datetime, step: timedelta) -> datetime:
    return EPOCH + (at - EPOCH) // step * step


def _ceil(at: datetime, step: timedelta) -> datetime:
    return EPOCH - (EPOCH - at) // step * step


def _whole_minutes(low: datetime | None, high: datetime | None) -> Bounds:
    """Return the bounds widened to what the counts know."""
    return None if low is None else _floor(low, MINUTE), None if high is None else _ceil(
        high, MINUTE
    )


def _surely(low: datetime | None, high: datetime | None) -> Bounds:
    """Return the bounds narrowed to what the counts know.

    Widened to a whole hour, a bound brings the count of that hour: then none of it is certain.
    """
    if low is not None:
        outside = _floor(low, MINUTE)
        step = HOUR if outside == _floor(low, HOUR) else MINUTE
        low = _ceil(low, step)
    if high is not None:
        outside = _ceil(high, MINUTE)
        step = HOUR if outside == _ceil(high, HOUR) else MINUTE
        high = _floor(high, step)
    return low, high


def _ragged(between: Bounds, sure: Bounds) -> tuple[Bounds, ...]:
    (low, high), (sure_low, sure_high) = between, sure
    if sure_low and sure_high and sure_low >= sure_high:
        return (between,)
    ends = ((low, sure_low), (sure_high, high))
    return tuple((a, b) for a, b in ends if a != b)


def _later(at: datetime, bound: datetime | None) -> datetime:
    return at if bound is None else max(at, bound)


def _earlier(at: datetime, bound: datetime | None) -> datetime:
    return at if bound is None else min(at, bound)
