"""Partitions: made ahead of time, dropped after retention, never by what blocks readers.

A partition is a day, or the shorter piece of one that LOG_PARTITION_INTERVAL says. ATTACH takes a
lock that readers and writers do not notice; DETACH CONCURRENTLY waits for old transactions instead
of stopping new ones. When a timeout cuts it, it leaves the partition pending: nobody can write into
its time any more, and no other partition can be detached. So those who are at work are waited for
before, and what is left pending all the same, or detached by a run that was killed, is taken back
first: retention decides about it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.statements import statement
from dewey_logs.transactions import ended

DAY_SECONDS = 86_400
LOCK_TIMEOUT_MS = 2_000
MARK = "dewey: being dropped"  # a comment on the table; one that somebody detaches to keep has none

_HELD = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)


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
            if not _finish_detaching(target):
                return []
            with suppress(*_HELD), _merging_waits(target):
                limits = {"days": retention_days, "bytes": max_bytes, "mark": MARK}
                dropped = _drop(target, "expired_partitions", limits)
                _attach_again(target, limits)
                if max_bytes is not None:
                    dropped += _drop(target, "partitions_beyond", limits)
                return dropped
            return []
        finally:
            target.execute(statement("leave_maintenance"))


def take_back(owner_url: str) -> None:
    """Take a partition back that was left half detached: until then nobody can write into its time.

    Whoever finds another process at work on partitions does nothing.
    """
    info = conninfo(owner_url, "dewey-retention")
    with (
        connect(info, lock_timeout=LOCK_TIMEOUT_MS) as connection,
        errors_translated(connection),
    ):
        if connection.execute(statement("half_detached")).fetchone() is None:
            return  # nearly always; whoever comes for the lock now finds it free
        row = connection.execute(statement("take_maintenance")).fetchone()
        if row is not None and row[0]:
            _finish_detaching(connection)


@contextmanager
def _merging_waits(connection: Connection) -> Iterator[None]:
    """Keep counts from being merged, which would leave sums of what is forgotten meanwhile."""
    connection.execute(statement("wait_for_merging"))
    try:
        yield
    finally:
        connection.execute(statement("leave_merging"))


def _drop(
    connection: Connection, which: LiteralString, limits: Mapping[str, int | str | None]
) -> list[str]:
    dropped: list[str] = []
    found = connection.execute(statement(which), limits).fetchall()
    for name, attached in found:
        part = sql.Identifier(name)
        users = "users_of_partition"
        if attached and not ended(connection, users, LOCK_TIMEOUT_MS / 1000, {"part": name}):
            break
        try:
            if attached:
                mark = sql.SQL("COMMENT ON TABLE {} IS {}").format(part, MARK)
                detach = sql.SQL("ALTER TABLE logs DETACH PARTITION {} CONCURRENTLY").format(part)
                connection.execute(mark)
                connection.execute(detach)
            with connection.transaction():
                connection.execute(sql.SQL("DROP TABLE {}").format(part))
                # or a record that comes late would bring its time back with them
                connection.execute(statement("forget_rollups"), limits)
        except _HELD:
            break  # by whoever came meanwhile; only one can be pending: go on next time
        dropped.append(name)
    return dropped


def _finish_detaching(connection: Connection) -> bool:
    """Take back what a cut-off DETACH left pending; say whether nothing is any more."""
    for name, low, high in connection.execute(statement("half_detached")).fetchall():
        part = sql.Identifier(name)
        commands = (
            "ALTER TABLE logs DETACH PARTITION {part} FINALIZE",
            "ALTER TABLE logs ATTACH PARTITION {part} FOR VALUES FROM ({low}) TO ({high})",
            "COMMENT ON TABLE {part} IS NULL",
        )
        try:
            with connection.transaction():
                for command in commands:
                    connection.execute(sql.SQL(command).format(part=part, low=low, high=high))
        except _HELD:
            return False
    return True


def _attach_again(connection: Connection, limits: Mapping[str, int | str | None]) -> None:
    """Take back what a run that was killed has detached and not dropped, if retention spares it."""
    for (low,) in connection.execute(statement("detached"), limits).fetchall():
        with suppress(*_HELD):
            connection.execute("SELECT dewey_ensure_partition(%s)", (low,))
