"""What a `clear` has removed stays removed: older entries that come again do not bring it back.

Each clear leaves its filter and its time. The filter is asked of PostgreSQL, over the rows that are
about to be stored, by the very clauses that a query uses: what a word, a regular expression or a
trace matches is then the same by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg
from psycopg import sql

from dewey_logs.copydata import LATEST_US, RowRefused
from dewey_logs.database import Connection
from dewey_logs.errors import DeweyError
from dewey_logs.filters import LogFilter, bounds, conditions
from dewey_logs.isolate import isolate
from dewey_logs.rows import LogRow
from dewey_logs.sqlstates import Verdict, verdict_on
from dewey_logs.statements import statement
from dewey_logs.times import micros


class ClearedMeanwhile(Exception):
    """A clear began after its batch had looked for clears, and removed what was there."""


def cleared(connection: Connection, rows: Sequence[LogRow]) -> set[bytes]:
    """Return the ids of rows that some clear has removed, inside the running transaction.

    A row is older than a clear when its stream entry is. Costs one look at an empty table while
    nothing was ever cleared. Raises DeweyError for a clear whose filter cannot be read.
    """
    found: set[bytes] = set()
    if not rows:
        return found
    entered_us = {row.id: _entered_us(row) for row in rows}
    oldest_us = min(entered_us.values())
    clears = connection.execute(statement("clears_since"), {"us": oldest_us}).fetchall()
    for filter_, at in clears:
        before_us = micros(at)
        left = [row for row in rows if row.id not in found and entered_us[row.id] < before_us]
        found |= _matching(connection, left, _filter(filter_, at), at)
    return found


def none_cleared(connection: Connection, stored: Sequence[LogRow]) -> None:
    """Raise ClearedMeanwhile when a row just inserted is one that a clear removes.

    Only of use after the insert: where the row stood before, a clear has committed its filter, and
    then removed it, since `cleared` was asked.
    """
    if cleared(connection, stored):
        raise ClearedMeanwhile


def _entered_us(row: LogRow) -> int:
    """Return the time of a row's stream entry, which is its own where there is none.

    Half an id is any number below 2^64; a time that PostgreSQL can be asked about is not.
    """
    ms = row.source.entry.partition("-")[0]
    return min(int(ms) * 1000, LATEST_US) if ms.isdecimal() else row.created_at_us


def _filter(stored: object, at: datetime) -> LogFilter:
    try:
        unknown = set(stored) - set(LogFilter.__struct_fields__) if isinstance(stored, dict) else ()
        if unknown:  # without it the filter would match more than was meant
            raise msgspec.ValidationError(f"unknown part {min(unknown)!r}")
        return msgspec.convert(stored, LogFilter)
    except msgspec.ValidationError as exc:
        raise DeweyError(f"the filter of the clear of {at:%Y-%m-%d %H:%M:%SZ}: {exc}") from exc


def _matching(
    connection: Connection, rows: Sequence[LogRow], wanted: LogFilter, at: datetime
) -> set[bytes]:
    """Return the ids that match; a row that PostgreSQL refuses matches nothing."""
    matching = conditions(wanted, *bounds(wanted, at))
    query = sql.SQL(statement("matching_rows")).format(matching=sql.SQL(matching.where))

    def attempt(part: Sequence[LogRow]) -> list[bytes]:
        values = {**matching.values, **_columns(part)}
        try:
            with connection.transaction():  # a savepoint
                return [part[n - 1].id for (n,) in connection.execute(query, values)]
        except (psycopg.Error, UnicodeEncodeError) as exc:
            if isinstance(exc, psycopg.Error) and verdict_on(exc) is not Verdict.ROW:
                raise
            raise RowRefused("cannot be compared") from exc

    matches, _ = isolate(rows, attempt)
    return set(matches)


def _columns(rows: Sequence[LogRow]) -> dict[str, object]:
    return {
        "row_created_us": [row.created_at_us for row in rows],
        "row_components": [row.component for row in rows],
        "row_levels": [row.level for row in rows],
        "row_traces": [row.trace_id for row in rows],
        "row_messages": [row.message for row in rows],
        "row_data": [row.data.decode() if row.data is not None else None for row in rows],
    }
