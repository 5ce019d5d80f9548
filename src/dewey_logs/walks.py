"""Pages whose records need no look into them: of a time, components, a level, a trace.

They are read in the order of an index, on one snapshot with the counts. These say where the next
records are; which index tells them from all others depends on what is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg

from dewey_logs import sizes
from dewey_logs.budget import limited, only_counts, only_time
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.cursors import Cursor
from dewey_logs.database import Connection
from dewey_logs.filters import Conditions, LogFilter, conditions, level_name, trace_forms
from dewey_logs.plans import BITMAPS_ONLY, SLICES_ONLY, Named, fetch_few, walk_names
from dewey_logs.search import MAX_MATCHED, Found, Row
from dewey_logs.statements import filled_in, statement
from dewey_logs.traces import traces_named
from dewey_logs.whereabouts import FEW, LEAST, Bounds, Whereabouts, bounded, whereabouts

COUNT_TIMEOUT_MS = 1_000


def walked(
    connection: Connection,
    wanted: LogFilter,
    between: Bounds,
    cursor: Cursor | None,
    following: Conditions,
    now: datetime,
) -> Found:
    """Return the rows of a page and one more; raises psycopg.Error."""
    if only_time(wanted):
        return _newest(connection, wanted, conditions(wanted, *between), following, cursor)
    with connection.transaction():
        own_index = only_counts(wanted) and _has_own_index(wanted)
        if only_counts(wanted) and (wanted.component or wanted.level) and not own_index:
            return _by_counts(connection, wanted, between, cursor, following, now)
        matching = conditions(wanted, *between)
        trace = _trace(connection, wanted)
        # PostgreSQL takes any beginning to be frequent and would walk through the records of others
        several = bool(wanted.trace_id and trace is None)
        if trace is not None:
            rows = _rows_of_trace(connection, wanted, trace, between, following)
        else:
            rows = _rows(connection, wanted, matching, following, few=several)
        matched, capped = len(rows), False
        if cursor is None and len(rows) > wanted.limit:
            avoided = BITMAPS_ONLY if several else SLICES_ONLY if own_index or trace else ()
            matched, capped = _count(connection, matching, wanted.limit, avoided)
        return Found(rows, matched, capped, None, "trace" if wanted.trace_id else "walk")


def _newest(
    connection: Connection,
    wanted: LogFilter,
    matching: Conditions,
    following: Conditions,
    cursor: Cursor | None,
) -> Found:
    """Return the rows of a page that is chosen by time alone, as most of an agent's first ones are.

    Every row that is read matches, so that the count ends as soon as the page does and needs no
    limit of its own. Two statements are two messages; in a transaction they would be six.
    """
    rows = _rows(connection, wanted, matching, following)
    matched, capped = len(rows), False
    if cursor is None and len(rows) > wanted.limit:
        try:
            found, capped = _counted(connection, matching)
        except psycopg.errors.QueryCanceled:  # what was removed, and not vacuumed, lies in the way
            give_up_if_cancelled()
            found, capped = wanted.limit, True
        matched = max(found, min(matched, MAX_MATCHED))  # some may have been cleared in between
    return Found(rows, matched, capped, None, "walk")


def _by_counts(
    connection: Connection,
    wanted: LogFilter,
    between: Bounds,
    cursor: Cursor | None,
    following: Conditions,
    now: datetime,
) -> Found:
    """Return the rows of a page from where the counts say that they are.

    Those of components by name are walked by the index of each. Few others are fetched through an
    index and sorted; a planner that takes them to be spread evenly would walk through what the
    others wrote. Of many the next ones are found by walking.
    """
    alike = conditions(wanted, None, None)
    by_name = _walked_by_name(wanted)
    near = whereabouts(
        connection,
        alike,
        _beyond(cursor, between, wanted.order),
        now,
        newest_first=wanted.order == "desc",
        rows=wanted.limit + 1,
        counted=0 if cursor else MAX_MATCHED + 1,
        names=any("*" in name for name in wanted.component),
        closely=not by_name,
        thin=wanted.level is not None and not wanted.component,
    )
    if near is None:
        return Found([], 0, False, None, "counts")
    few = not by_name and near.rows <= FEW and bool(wanted.component or near.minutes)
    if by_name:
        rows = _rows_by_name(connection, wanted, (near.low, near.high), following)
    else:
        matching = bounded(near, alike)
        if few and near.components:
            matching.add("component = ANY (%(met)s)", met=list(near.components))
        rows = _rows(connection, wanted, matching, following, few=few, minutes=near.minutes)
    if near.promised and len(rows) <= wanted.limit:
        rows = _rows(connection, wanted, conditions(wanted, *between), following)
    matched, capped = len(rows), False
    if cursor is None and len(rows) > wanted.limit:
        matched, capped = _all_of(connection, wanted, near, len(rows))
    return Found(rows, matched, capped, None, "index" if few else "walk")


def _has_own_index(wanted: LogFilter) -> bool:
    """Say whether an index holds what matches and nothing else, in the order of a page.

    PostgreSQL takes it by itself, because any other one makes it look at more.
    """
    return not wanted.component and level_name(wanted.level or "TRACE") in ("WARN", "ERROR")


def _walked_by_name(wanted: LogFilter) -> bool:
    """Say whether an index by component holds the next records of each name, one after the other.

    There is one for all levels, for warnings and for errors; a pattern may be of any number of
    names.
    """
    return (
        0 < len(wanted.component) * (wanted.limit + 1) <= FEW
        and not any("*" in name for name in wanted.component)
        and level_name(wanted.level or "TRACE") in ("TRACE", "WARN", "ERROR")
    )


def _rows_by_name(
    connection: Connection, wanted: LogFilter, between: Bounds, following: Conditions
) -> list[Row]:
    """Return the rows of components by name within the bounds, and one more."""
    rest = conditions(msgspec.structs.replace(wanted, component=()), *between)
    return _walk(connection, "component", wanted.component, rest, following, wanted)


def _trace(connection: Connection, wanted: LogFilter) -> str | None:
    """Return the whole id of the trace that is asked for, None where it may be several."""
    if wanted.trace_id is None:
        return None
    whole, beginning = trace_forms(wanted.trace_id)
    if beginning is None:
        return whole
    exact, first, last = traces_named(connection, wanted.trace_id)
    if first is None:
        return exact
    return first if exact is None and first == last else None


def _rows_of_trace(
    connection: Connection, wanted: LogFilter, trace: str, between: Bounds, following: Conditions
) -> list[Row]:
    """Return the rows of one trace within the bounds, and one more.

    A trace of many records PostgreSQL would look for among all others, wherever these are.
    """
    rest = conditions(msgspec.structs.replace(wanted, trace_id=None), *between)
    return _walk(connection, "trace_id", (trace,), rest, following, wanted)


def _walk(
    connection: Connection,
    column: Named,
    names: Sequence[str],
    rest: Conditions,
    following: Conditions,
    wanted: LogFilter,
) -> list[Row]:
    newest_first, rows = wanted.order == "desc", wanted.limit + 1
    return walk_names(connection, column, names, rest, following, rows, newest_first=newest_first)


def _beyond(cursor: Cursor | None, between: Bounds, order: str) -> Bounds:
    """Return the time that a cursor leaves of the bounds."""
    since, until = between
    if cursor is None:
        return between
    if order == "desc":
        return since, cursor.at + LEAST if until is None else min(until, cursor.at + LEAST)
    return cursor.at if since is None else max(since, cursor.at), until


def _rows(
    connection: Connection,
    wanted: LogFilter,
    matching: Conditions,
    following: Conditions,
    *,
    few: bool = False,
    minutes: tuple[datetime, ...] = (),
) -> list[Row]:
    """Return a page's rows and one more."""
    newest_first, rows = wanted.order == "desc", wanted.limit + 1
    if few:
        return fetch_few(
            connection, matching, following, rows, newest_first=newest_first, minutes=minutes
        )
    query = filled_in(
        statement("page"),
        matching=matching.where,
        following=following.where,
        order="DESC" if newest_first else "ASC",
    )
    more = {"rows": rows, "bytes": sizes.MAX_BYTES}
    values = {**matching.values, **following.values, **more}
    return connection.execute(query, values).fetchall()


def _all_of(
    connection: Connection, wanted: LogFilter, near: Whereabouts, at_least: int
) -> tuple[int, bool]:
    """Return how many match: what the counts say, and the ends that they do not know."""
    matched, capped = max(near.sure, at_least), False
    if near.sure <= MAX_MATCHED:
        matched = near.sure
        for low, high in near.ragged:
            n, capped = _count(connection, conditions(wanted, low, high), 0)
            matched, capped = matched + n, capped
            if capped:
                break
    return min(max(matched, at_least), MAX_MATCHED), capped or matched > MAX_MATCHED


def _count(
    connection: Connection, matching: Conditions, at_least: int, avoided: Sequence[str] = ()
) -> tuple[int, bool]:
    """Return how many match, and whether there are more than that."""
    try:
        with limited(connection, COUNT_TIMEOUT_MS, avoided):
            return _counted(connection, matching)
    except psycopg.errors.QueryCanceled:
        give_up_if_cancelled()
        return at_least, True


def _counted(connection: Connection, matching: Conditions) -> tuple[int, bool]:
    query = filled_in(statement("count_matching"), matching=matching.where)
    row = connection.execute(query, {**matching.values, "rows": MAX_MATCHED + 1}).fetchone()
    assert row is not None
    return min(row[0], MAX_MATCHED), row[0] > MAX_MATCHED
