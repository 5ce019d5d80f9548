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

from dewey_logs import sizes
from dewey_logs.budget import explained, limited
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.comparisons import indexable
from dewey_logs.cursors import make_cursor, read_cursor
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import Conditions, LogFilter, bounds, check_paging, conditions
from dewey_logs.rows import Page
from dewey_logs.search import WORDS_AND_DATA, Index, Search
from dewey_logs.sizes import fitting
from dewey_logs.statements import statement
from dewey_logs.substring import trigrams_sql
from dewey_logs.times import rfc3339
from dewey_logs.walks import walked
from dewey_logs.words import required_words

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
                _index(connection, wanted),
                quick=wanted.search is None or bool(required_words(wanted.search)),
            ).run()
        else:
            found = walked(connection, wanted, between, cursor, following, now)
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


def _index(connection: Connection, wanted: LogFilter) -> Index | None:
    """Return what narrows a search down, None for nothing; raises BadFilter without a word."""
    by_words = False
    if wanted.search is not None:
        row = connection.execute(statement("has_words"), {"search": wanted.search}).fetchone()
        assert row is not None
        none, by_words = row
        if none:
            raise BadFilter(f"search={wanted.search!r:.60} contains no word")
    if by_words or wanted.data or any(map(indexable, wanted.where)):
        return WORDS_AND_DATA
    trigrams = None if wanted.contains is None else trigrams_sql(wanted.contains, "contains")
    return None if trigrams is None else Index("trigram_stretches", trigrams)


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
