"""How records leave one partition: all at once, or in steps that are short whatever the filter.

A step is one transaction: it takes the rows that match out of `logs` and out of the rollups, and
notes in `logs_cleared` how many they were. First whatever index suits the filter is tried, which is
enough when few rows match. Else the partition is walked in the order of its keys, so many rows at a
time and none of them twice; what even so takes too long is done in smaller steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

import psycopg
from psycopg import sql

from dewey_logs.database import Connection
from dewey_logs.errors import QueryTimeout
from dewey_logs.filters import Conditions
from dewey_logs.statements import statement

STEP_ROWS = 5_000  # what a step should remove
MOST_REMOVED = 10_000
LEAST_LOOKED_AT, MOST_LOOKED_AT = 50, 50_000

Key = tuple[datetime, UUID]
Answer = TypeVar("Answer")


class Stretch(NamedTuple):
    """The part of a partition that a filter's bounds leave, from `low` (included) to `high`."""

    part: str
    low: datetime
    high: datetime

    def narrowed(self, since: datetime | None, until: datetime | None) -> Stretch:
        """Return what lies between the bounds; nothing, where `low` is not before `high`."""
        low = self.low if since is None else max(self.low, since)
        return Stretch(self.part, low, self.high if until is None else min(self.high, until))


class Clear(NamedTuple):
    """A clear at work: its id, and the number of the first transaction after it began."""

    id: UUID
    began: int


def empty(connection: Connection, part: str, clear: Clear) -> int | None:
    """Remove all of a partition at once; None when somebody uses it and would be held up."""
    try:
        values = {"part": part, **_values(clear)}
        row = connection.execute(statement("empty_partition"), values).fetchone()
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        return None
    assert row is not None
    return int(row[0])


def remove(
    connection: Connection, stretch: Stretch, matching: Conditions, clear: Clear
) -> Iterator[int]:
    """Remove the records that match, step by step; yield how many went with each.

    Raises QueryTimeout when not even the smallest step ends in time.
    """

    def step(between: Conditions) -> int:
        query = _composed("clear_rows", stretch, matching, between)
        values = {**matching.values, **between.values, **_values(clear), "rows": MOST_REMOVED}
        row = connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def steps(between: Conditions) -> int:
        total = removed = step(between)
        while removed == MOST_REMOVED:
            removed = step(between)
            total += removed
        return total

    try:
        removed = step(_between(stretch))
    except psycopg.errors.QueryCanceled:
        removed = MOST_REMOVED
    else:
        yield removed
    if removed < MOST_REMOVED:
        return
    pace = _Pace(STEP_ROWS)
    for removed in _walk(connection, stretch, pace, steps):
        yield removed
        if removed < STEP_ROWS // 2:
            pace.quicken()


Counted = list[tuple[str, str, int, datetime, datetime]]


def count(connection: Connection, stretch: Stretch, matching: Conditions) -> Iterator[Counted]:
    """Yield what matches: component, level, records, oldest, newest; the parts add up."""

    def step(between: Conditions) -> Counted:
        query = _composed("count_rows", stretch, matching, between)
        return connection.execute(query, {**matching.values, **between.values}).fetchall()

    try:
        yield step(_between(stretch))
    except psycopg.errors.QueryCanceled:
        yield from _walk(connection, stretch, _Pace(MOST_LOOKED_AT), step)


class _Pace:
    """How many rows a step looks at: more while few of them match, fewer when time runs out."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._most = MOST_LOOKED_AT

    def quicken(self) -> None:
        self.rows = min(self.rows * 2, self._most)

    def slow_down(self) -> bool:
        """Say whether smaller steps are possible, and make them so."""
        self._most = self.rows // 10
        self.rows = max(self._most, LEAST_LOOKED_AT)
        return self._most >= LEAST_LOOKED_AT


def _walk(
    connection: Connection, stretch: Stretch, pace: _Pace, step: Callable[[Conditions], Answer]
) -> Iterator[Answer]:
    """Do a step for every so many rows of a stretch, in the order of their keys."""
    after: Key = (stretch.low - timedelta(microseconds=1), UUID(int=2**128 - 1))
    while True:
        last = _end(connection, stretch, after, pace.rows)
        try:
            found = step(_between(stretch, after, last))
        except psycopg.errors.QueryCanceled as exc:
            if not pace.slow_down():
                raise QueryTimeout(
                    f"a few records at {after[0]:%Y-%m-%d %H:%M:%S}Z take too long to look at: "
                    "use search or contains, which are quicker than regex"
                ) from exc
            continue
        yield found
        if last is None:
            return
        after = last


def _end(connection: Connection, stretch: Stretch, after: Key, rows: int) -> Key | None:
    """Return the key so many rows on, None when that is beyond the stretch."""
    between = _between(stretch, after)
    query = _composed("window_end", stretch, Conditions(), between)
    row = connection.execute(query, {**between.values, "rows": rows - 1}).fetchone()
    return None if row is None else (row[0], row[1])


def _between(stretch: Stretch, after: Key | None = None, last: Key | None = None) -> Conditions:
    """Return what bounds a step; the time alone stands there too, because every index has it."""
    found = Conditions()
    low = stretch.low if after is None else after[0]
    found.add("created_at >= %(low)s AND created_at < %(high)s", low=low, high=stretch.high)
    if after is not None:
        found.add("(created_at, id) > (%(low)s, %(after_id)s)", after_id=after[1])
    if last is not None:
        found.add("created_at <= %(last)s", last=last[0])
        found.add("(created_at, id) <= (%(last)s, %(last_id)s)", last_id=last[1])
    return found


def _composed(
    name: str, stretch: Stretch, matching: Conditions, between: Conditions
) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        part=sql.Identifier(stretch.part),
        matching=sql.SQL(matching.where),
        between=sql.SQL(between.where),
    )


def _values(clear: Clear) -> dict[str, object]:
    return {"clear": clear.id, "began": clear.began}
