"""Days: made ahead of time, dropped after retention, never by a statement that blocks readers.

ATTACH takes a lock that readers and writers do not notice; DETACH CONCURRENTLY waits for old
transactions instead of stopping new ones, and when a timeout cuts it, it leaves the partition
pending: the next run finishes it. Only then the table is dropped.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.statements import statement

DAY_SECONDS = 86_400
LOCK_TIMEOUT_MS = 2_000


class Day(NamedTuple):
    """One partition; `estimated_rows` is None until PostgreSQL has counted it once."""

    name: str
    estimated_rows: int | None
    size_bytes: int


def days(url: str) -> list[Day]:
    """Return the attached days, oldest first."""
    with connect(conninfo(url, "dewey-partitions")) as connection, errors_translated():
        found = connection.execute(statement("list_days")).fetchall()
    return [Day(name, rows if rows >= 0 else None, size) for name, rows, size in found]


def ensure(target: str | Connection, retention_days: int | None = None) -> list[str]:
    """Make the days of the accepted window and three ahead; return the names of new ones.

    `target` is the owner's URL or an open connection of the owner in autocommit mode. Days that
    `retention_days` would drop at once are left out. Safe from many processes at a time.
    """
    if isinstance(target, str):
        with connect(conninfo(target, "dewey-partitions"), lock_timeout=30_000) as connection:
            return ensure(connection, retention_days)
    keep_seconds = DAY_SECONDS * (3650 if retention_days is None else retention_days)
    with errors_translated():
        parameters = {"keep_seconds": keep_seconds}
        missing = target.execute(statement("missing_days"), parameters).fetchall()
        for day, _ in missing:
            target.execute("SELECT dewey_ensure_partition(%s)", (day,))
    return [name for _, name in missing]


def drop_expired(
    target: str | Connection, retention_days: int, max_bytes: int | None = None
) -> list[str]:
    """Drop the days whose every record is older than `retention_days`; return their names.

    With `max_bytes` the oldest days go as well until no more than that is left, indexes included;
    today and the days ahead never do. One process at a time: whoever finds the lock taken does
    nothing and returns nothing. A day that an old transaction holds is left for the next run.
    """
    if isinstance(target, str):
        info = conninfo(target, "dewey-retention")
        with connect(info, lock_timeout=LOCK_TIMEOUT_MS) as connection:
            return drop_expired(connection, retention_days, max_bytes)
    with errors_translated():
        row = target.execute(statement("take_maintenance")).fetchone()
        if row is None or not row[0]:
            return []
        try:
            dropped = _drop(target, "expired_days", {"days": retention_days})
            if max_bytes is not None:
                dropped += _drop(target, "days_beyond", {"bytes": max_bytes})
            return dropped
        finally:
            target.execute(statement("leave_maintenance"))


def _drop(connection: Connection, which: LiteralString, parameters: dict[str, object]) -> list[str]:
    dropped = []
    found = connection.execute(statement(which), parameters).fetchall()
    for name, attached, pending in found:
        part = sql.Identifier(name)
        try:
            if attached:
                how = sql.SQL("FINALIZE" if pending else "CONCURRENTLY")
                command = sql.SQL("ALTER TABLE logs DETACH PARTITION {} {}").format(part, how)
                connection.execute(command)
            connection.execute(sql.SQL("DROP TABLE {}").format(part))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            break  # an old transaction still reads it; only one day can be pending: go on next time
        dropped.append(name)
    return dropped
