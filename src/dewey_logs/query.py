"""Pages of records: always from a key onwards, never by counting rows off.

OFFSET is linear and repeats or loses rows while others arrive; ORDER BY … NULLS LAST cannot use the
index (measured: 381 ms instead of 1 ms). The count stops at 1,000 and has a budget of its own: when
it runs out, the page is answered without it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from psycopg import sql

from dewey_logs import sizes
from dewey_logs.budget import explained, limited, only_counts
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.comparisons import indexable
from dewey_logs.cursors import Cursor, make_cursor, read_cursor
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import (
    Conditions,
    LogFilter,
    bounds,
    check_paging,
    conditions,
    level_name,
    trace_forms,
)
from dewey_logs.plans import BITMAPS_ONLY, SLICES_ONLY, fetch_few, without
from dewey_logs.rows import Page
from dewey_logs.search import MAX_MATCHED, Found, Row, Search
from dewey_logs.sizes import fitting
from dewey_logs.statements import statement
from dewey_logs.times import rfc3339
from dewey_logs.whereabouts import FEW, LEAST, Bounds, Whereabouts, bounded, whereabouts
from dewey_logs.words import required_words

COUNT_TIMEOUT_MS = 1_000
REGEX_TIMEOUT_MS = 1_000
NARROW = (
    "narrow since or component, or use search, which is quicker than contains, which is quicker "
    "than regex"
)


def page(connection: Connection, wanted: LogFilter, now: datetime | None = None) -> Page:
    """Return one page; `now` is what relative times count from.

    Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_paging(wanted)
    cursor = read_cursor(wanted)
    now = now or datetime.now(UTC)
    between = cursor.bounds if cursor else bounds(wanted, now)
    matching = conditions(wanted, *between)
    matching.values["bytes"] = sizes.MAX_BYTES
    following = Conditions()
    if cursor is not None:
        _continue_after(following, wanted.order, cursor.at, cursor.id)
    try:
        if _is_search(wanted):
            if wanted.regex is not None:
                _try(connection, wanted.regex)
            found = Search(
                connection,
                wanted,
                between,
                matching,
                following,
                cursor.at if cursor else None,
                indexable=_indexable(connection, wanted),
                quick=wanted.search is None or bool(required_words(wanted.search)),
            ).run()
        else:
            found = _walked(connection, wanted, between, cursor, following, now)
    except psycopg.Error as exc:
        raise explained(exc, connection, NARROW) from exc
    views = fitting(found.rows[: wanted.limit])
    matched, capped = found.matched, found.capped
    if cursor is not None:
        matched, capped = cursor.matched, cursor.matched_capped
    truncated = len(found.rows) > len(views)
    end = None
    if truncated:
        end = (datetime.fromisoformat(views[-1].created_at), UUID(views[-1].id).bytes)
    elif found.reached is not None:
        end = _before(found.reached, wanted.order)
    return Page(
        rows=views,
        returned=len(views),
        truncated=truncated or found.reached is not None,
        next_cursor=None if end is None else make_cursor(wanted, end, between, matched, capped),
        matched=matched,
        matched_capped=capped,
        strategy=found.strategy,
        took_ms=(time.perf_counter() - began) * 1000,
        scan_incomplete=not truncated and found.reached is not None,
        scanned_to=None if truncated or found.reached is None else rfc3339(found.reached),
    )


def _is_search(wanted: LogFilter) -> bool:
    """Say whether rows have to be looked into; those of a trace are few and have an index."""
    if wanted.trace_id is not None:
        return False
    parts = (wanted.search, wanted.contains, wanted.regex, wanted.data)
    return bool(wanted.where) or any(part is not None for part in parts)


def _try(connection: Connection, regex: str) -> None:
    """Refuse what is no regular expression: PostgreSQL alone knows, and there may be no row."""
    try:
        with limited(connection, REGEX_TIMEOUT_MS):
            connection.execute(statement("try_regex"), {"regex": regex})
    except psycopg.errors.QueryCanceled as exc:
        give_up_if_cancelled()
        raise BadFilter(
            "regex takes too long to be tried: write it with fewer repetitions"
        ) from exc


def _indexable(connection: Connection, wanted: LogFilter) -> bool:
    """Say whether an index can narrow a search down; raises BadFilter for one without a word."""
    by_words = False
    if wanted.search is not None:
        row = connection.execute(statement("has_words"), {"search": wanted.search}).fetchone()
        assert row is not None
        none, by_words = row
        if none:
            raise BadFilter(f"search={wanted.search!r:.60} contains no word")
    return by_words or bool(wanted.data) or any(map(indexable, wanted.where))


def _before(reached: datetime, order: str) -> tuple[datetime, bytes]:
    """Return the key that stands just before what was not looked at."""
    if order == "desc":
        return reached, bytes(16)
    return reached - timedelta(microseconds=1), b"\xff" * 16


def _continue_after(found: Conditions, order: str, at: datetime, key: bytes) -> None:
    """Begin behind a row; the time alone stands there too, because only that leaves out days."""
    if order == "desc":
        found.add("(created_at, id) < (%(at)s, %(key)s)", at=at, key=UUID(bytes=key))
        found.add("created_at <= %(at)s")
    else:
        found.add("(created_at, id) > (%(at)s, %(key)s)", at=at, key=UUID(bytes=key))
        found.add("created_at >= %(at)s")


def _walked(
    connection: Connection,
    wanted: LogFilter,
    between: Bounds,
    cursor: Cursor | None,
    following: Conditions,
    now: datetime,
) -> Found:
    """Return the rows of a page in the order of an index, on one snapshot with the counts."""
    with connection.transaction():
        own_index = only_counts(wanted) and _has_own_index(wanted)
        if only_counts(wanted) and (wanted.component or wanted.level) and not own_index:
            return _by_counts(connection, wanted, between, cursor, following, now)
        matching = conditions(wanted, *between)
        # PostgreSQL takes any beginning to be frequent and would walk through the records of others
        beginning = bool(trace_forms(wanted.trace_id or "")[1])
        rows = _rows(connection, wanted, matching, following, few=beginning)
        matched, capped = len(rows), False
        if cursor is None and len(rows) > wanted.limit:
            avoided = BITMAPS_ONLY if beginning else SLICES_ONLY if own_index else ()
            with without(connection, avoided):
                matched, capped = _count(connection, matching, wanted.limit)
        return Found(rows, matched, capped, None, "trace" if wanted.trace_id else "walk")


def _by_counts(
    connection: Connection,
    wanted: LogFilter,
    between: Bounds,
    cursor: Cursor | None,
    following: Conditions,
    now: datetime,
) -> Found:
    """Return the rows of a page from where the counts say that they are.

    Few are fetched through an index and sorted; a planner that takes them to be spread evenly would
    walk through what the others wrote. Of many the next ones are found by walking.
    """
    alike = conditions(wanted, None, None)
    near = whereabouts(
        connection,
        alike,
        _beyond(cursor, between, wanted.order),
        now,
        newest_first=wanted.order == "desc",
        rows=wanted.limit + 1,
        counted=0 if cursor else MAX_MATCHED + 1,
        names=any("*" in name for name in wanted.component),
        thin=wanted.level is not None and not wanted.component,
    )
    if near is None:
        return Found([], 0, False, None, "counts")
    matching = bounded(near, alike)
    few = near.rows <= FEW and bool(wanted.component or near.minutes)
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
    query = sql.SQL(statement("page")).format(
        matching=sql.SQL(matching.where),
        following=sql.SQL(following.where),
        order=sql.SQL("DESC" if newest_first else "ASC"),
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


def _count(connection: Connection, matching: Conditions, at_least: int) -> tuple[int, bool]:
    """Return how many match, and whether there are more than that."""
    query = sql.SQL(statement("count_matching")).format(matching=sql.SQL(matching.where))
    try:
        with limited(connection, COUNT_TIMEOUT_MS):
            row = connection.execute(query, {**matching.values, "rows": MAX_MATCHED + 1}).fetchone()
    except psycopg.errors.QueryCanceled:
        give_up_if_cancelled()
        return at_least, True
    assert row is not None
    return min(row[0], MAX_MATCHED), row[0] > MAX_MATCHED
