"""Partitions: made ahead of time, dropped after retention, never by what blocks readers.

A partition is a day, or the shorter piece of one that LOG_PARTITION_INTERVAL says. ATTACH takes a
lock that readers and writers do not notice; DETACH CONCURRENTLY waits for old transactions instead
of stopping new ones, and when a timeout cuts it, it leaves the partition pending: the next run
finishes it. Only then the table is dropped.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.statements import statement

DAY_SECONDS = 86_400
LOCK_TIMEOUT_MS = 2_000


class Partition(NamedTuple):
    """One partition, from `low` (included) to `high`.

    `estimated_rows` is None until PostgreSQL has counted it once; `size_bytes` includes
    `index_bytes`. `indexed`: it has the indexes that search needs.
    """

    name: str
    low: datetime
    high: datetime
    estimated_rows: int | None
    size_bytes: int
    index_bytes: int
    indexed: bool


def partitions(url: str) -> list[Partition]:
    """Return the attached partitions, oldest first."""
    with connect(conninfo(url, "dewey-partitions")) as connection, errors_translated(connection):
        found = connection.execute(statement("list_partitions")).fetchall()
    return [
        Partition(name, low, high, rows if rows >= 0 else None, *rest)
        for name, low, high, rows, *rest in found
    ]


def ensure(target: str | Connection, retention_days: int | None = None) -> list[str]:
    """Make the partitions of the accepted window and ahead; return the names of new ones.

    `target` is the owner's URL or an open connection of the owner in autocommit mode. Days that
    `retention_days` would drop at once are left out. Safe from many processes at a time.
    """
    if isinstance(target, str):
        with connect(conninfo(target, "dewey-partitions"), lock_timeout=30_000) as connection:
            return ensure(connection, retention_days)
    keep_seconds = DAY_SECONDS * (3650 if retention_days is None else retention_days)
    made = []
    with errors_translated(target):
        parameters = {"keep_seconds": keep_seconds}
        for (at,) in target.execute(statement("missing_partitions"), parameters).fetchall():
            row = target.execute("SELECT dewey_ensure_partition(%s)", (at,)).fetchone()
            assert row is not None
            made.append(row[0])
    return made


def drop_expired(
    target: str | Connection, retention_days: int, max_bytes: int | None = None
) -> list[str]:
    """Drop the days whose every record is older than `retention_days`; return names of partitions.

    With `max_bytes` the oldest ones go as well until no more than that is left, indexes included;
    what is not over yet never does. One process at a time: whoever finds the lock taken does
    nothing and returns nothing. What an old transaction holds is left for the next run.
    """
    if isinstance(target, str):
        info = conninfo(target, "dewey-retention")
        with connect(info, lock_timeout=LOCK_TIMEOUT_MS) as connection:
            return drop_expired(connection, retention_days, max_bytes)
    with errors_translated(target):
        row = target.execute(statement("take_maintenance")).fetchone()
        if row is None or not row[0]:
            return []
        try:
            dropped = _drop(target, "expired_partitions", {"days": retention_days})
            if max_bytes is not None:
                dropped += _drop(target, "partitions_beyond", {"bytes": max_bytes})
            _attach_again(target)
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
            break  # an old transaction still reads it; only one can be pending: go on next time
        dropped.append(name)
    return dropped


def _attach_again(connection: Connection) -> None:
    """Finish detaching what retention spares by now, and take it back: its records are wanted."""
    for name, low in connection.execute(statement("half_detached")).fetchall():
        finish = sql.SQL("ALTER TABLE logs DETACH PARTITION {} FINALIZE").format(
            sql.Identifier(name)
        )
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            connection.execute(finish)
            connection.execute("SELECT dewey_ensure_partition(%s)", (low,))
