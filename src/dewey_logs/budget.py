"""Counting with a budget: partition by partition, the newest first, and what was counted is kept.

One statement over eight days either ends in time or was for nothing. A statement for each
partition costs no more, uses the indexes that this partition has, and whoever runs out of time
still has the newest days and is told how far back they reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.database import Connection, user_of
from dewey_logs.errors import BadFilter, DeweyError, QueryTimeout
from dewey_logs.filters import Conditions, LogFilter, conditions
from dewey_logs.logins import READER
from dewey_logs.sqlstates import first_line, translated
from dewey_logs.statements import filled_in, statement

Row = tuple[Any, ...]
FETCHED_ROWS = 100  # 32 MB when all of them are as big as a record can be
_SAVEPOINT = "SAVEPOINT limited"
_FORGET = "ROLLBACK TO SAVEPOINT limited; RELEASE SAVEPOINT limited"
_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_ORDERS: dict[str, LiteralString] = {"asc": "ASC", "desc": "DESC"}


class Counted(NamedTuple):
    """The rows of every partition that was reached; all there are when `reached` is None."""

    rows: list[Row]
    reached: datetime | None


@contextmanager
def asking(connection: Connection, narrow: str) -> Iterator[None]:
    """Run statements on one snapshot; `narrow` tells what to do when they run out of time."""
    try:
        with connection.transaction():
            yield
    except psycopg.Error as exc:
        raise explained(exc, connection, narrow) from exc


def explained(error: psycopg.Error, connection: Connection, narrow: str) -> DeweyError:
    """Return what an error of a question means to who asked it."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return QueryTimeout(f"the question ran out of time: {narrow}")
    if (error.sqlstate or "")[:2] in ("22", "54"):  # a broken regular expression, a number too big
        return BadFilter(f"the filter cannot be used: {first_line(error)}")
    return translated(error, READER, user_of(connection))


@contextmanager
def limited(connection: Connection, timeout_ms: int, without: Sequence[str] = ()) -> Iterator[None]:
    """Give the statements inside so much time, 0 without end, and leave plans out for them alone.

    A savepoint that is released would leave them the limit, one that is rolled back does not. Both
    ends are one message each, where psycopg's own transactions take two: a page waits for each.
    """
    inside = connection.info.transaction_status == TransactionStatus.INTRANS
    begin, end = (_SAVEPOINT, _FORGET) if inside else ("BEGIN", "ROLLBACK")
    plans = "".join(f"; SET LOCAL {plan} = off" for plan in without)
    limit = f"SET LOCAL statement_timeout = {int(timeout_ms)}"
    connection.execute(f"{begin}; {limit}{plans}", prepare=False)
    try:
        yield
    finally:
        if connection.info.transaction_status in _OPEN:  # else it is lost, or still at work
            connection.execute(end, prepare=False)


def ask(
    connection: Connection,
    name: str,
    matching: Conditions | None = None,
    /,
    *,
    value: LiteralString = "NULL",
    order: str = "desc",
    **values: object,
) -> list[Row]:
    """Return the rows of a statement by name, with what `filled` fills in."""
    give_up_if_cancelled()
    found = matching or Conditions()
    query = filled(name, found, value=value, order=order)
    return connection.execute(query, {**found.values, **values}).fetchall()


def walk(
    connection: Connection,
    name: str,
    matching: Conditions | None = None,
    /,
    *,
    order: str = "desc",
    **values: object,
) -> Generator[Row, None, None]:
    """Yield the rows of a statement as `ask` would return them; a few are fetched at a time.

    So few that they fit into memory, however big they are. Close it to end the query.
    """
    found = matching or Conditions()
    with connection.cursor(name="walk") as cursor:
        cursor.itersize = FETCHED_ROWS
        cursor.execute(filled(name, found, order=order), {**found.values, **values})
        yield from cursor


def filled(
    name: str, matching: Conditions, *, value: LiteralString = "NULL", order: str = "desc"
) -> sql.Composed:
    """Return a statement by name, with its `{matching}`, `{value}` and `{order}` filled in."""
    return filled_in(statement(name), matching=matching.where, value=value, order=_ORDERS[order])


def ask_by_partition(
    connection: Connection,
    name: str,
    wanted: LogFilter,
    between: tuple[datetime | None, datetime | None],
    values: Callable[[list[Row]], dict[str, Any] | None],
    *,
    value: LiteralString = "NULL",
) -> Counted:
    """Return the rows of a statement, asked of one partition after the other inside `asking`.

    `values` is called before each with the rows so far and returns what to bind, or None to stop.
    The budget is the session's statement_timeout. Raises QueryCanceled when not even the newest
    partition could be read within it.
    """
    since, until = between
    rows: list[Row] = []
    began = time.monotonic()
    [(budget_ms,)] = ask(connection, "statement_timeout_ms")
    reached: datetime | None = None
    for low, high in ask(connection, "stretches_between", since=since, until=until):
        bound = values(rows)
        if bound is None:
            break
        part = conditions(wanted, *part_of((low, high), between))
        left_ms = budget_ms - int((time.monotonic() - began) * 1000)
        try:
            if budget_ms and left_ms <= 0:
                raise psycopg.errors.QueryCanceled("the budget of all partitions is used up")
            with limited(connection, left_ms if budget_ms else 0):
                rows += ask(connection, name, part, value=value, **bound)
        except psycopg.errors.QueryCanceled:
            if reached is None:
                raise
            return Counted(rows, reached)
        reached = low
    return Counted(rows, None)


def part_of(
    stretch: tuple[datetime, datetime], between: tuple[datetime | None, datetime | None]
) -> tuple[datetime, datetime]:
    """Return what bounds leave of a stretch of time."""
    (low, high), (since, until) = stretch, between
    return low if since is None else max(low, since), high if until is None else min(high, until)


def only_counts(wanted: LogFilter) -> bool:
    """Return whether the filter speaks of time, component and level alone, as the rollups do."""
    return LogFilter() == LogFilter(
        **{
            name: getattr(wanted, name)
            for name in LogFilter.__struct_fields__
            if name not in _COUNTED and name not in _PAGING
        }
    )


def only_time(wanted: LogFilter) -> bool:
    """Return whether the filter speaks of time alone, as the rollups by pattern do."""
    return only_counts(wanted) and not wanted.component and wanted.level is None


_COUNTED = ("since", "until", "component", "level")
_PAGING = ("limit", "cursor", "order")
