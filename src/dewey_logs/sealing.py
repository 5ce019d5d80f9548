"""Sealing: a partition gets the indexes that search needs when nothing much goes into it any more.

Full text and JSON indexes cost more at ingest than all the rest together (docs/benchmarks.md), and
built in one go they cost a fraction. So a partition is filled without them and sealed when it is
over: indexes CONCURRENTLY, which holds no writer up, then VACUUM. One that grows beyond what a
query can read in a second is sealed before that, if records come slowly enough to pay for it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import psycopg
from psycopg import sql

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.layout import PARTITION_INTERVALS, Layout
from dewey_logs.statements import statement

MANY_ROWS = 1_000_000  # about a second of reading
SLOW_PER_SECOND = 1_000  # a tenth of what one backend can sort into the indexes
BUILD_MEMORY = "128MB"
GONE_OR_HELD = (
    psycopg.errors.LockNotAvailable,  # by an old transaction
    psycopg.errors.UndefinedTable,  # dropped by retention
    psycopg.errors.UndefinedObject,
)
LOCK_TIMEOUT_MS = 60_000  # for transactions older than the index


class Sealed(NamedTuple):
    """What a run did: names of indexes built, and of partitions vacuumed."""

    indexed: list[str]
    vacuumed: list[str]


def choose(target: str | Connection, layout: Layout) -> None:
    """Keep in the store how it is to be laid out, for every process.

    `target` is the owner's URL or an open connection of the owner. Partitions that exist stay as
    they are; with `live` the next sealing brings their indexes.
    """
    if isinstance(target, str):
        with connect(conninfo(target, "dewey-seal")) as connection:
            choose(connection, layout)
            return
    interval = layout.partition_interval
    chosen = {
        "search_index": layout.search_index,
        "partition_interval": None if interval is None else PARTITION_INTERVALS[interval],
    }
    with errors_translated(target):
        for name, value in chosen.items():
            if value is not None:
                target.execute(statement("choose"), {"name": name, "value": value})


def seal(owner_url: str) -> Sealed:
    """Build what indexes are due and vacuum what is over; one process at a time.

    Whoever finds another at it does nothing. What cannot be done for old transactions is left for
    the next run. Raises Unavailable or SchemaProblem.
    """
    info = conninfo(owner_url, "dewey-seal")
    with connect(info, lock_timeout=LOCK_TIMEOUT_MS) as connection, errors_translated(connection):
        row = connection.execute(statement("take_sealing")).fetchone()
        if row is None or not row[0]:
            return Sealed([], [])
        connection.execute(f"SET maintenance_work_mem = '{BUILD_MEMORY}'")
        return Sealed(_index(connection), _vacuum(connection))


def _index(connection: Connection) -> list[str]:
    built: list[str] = []
    if connection.execute(statement("old_snapshot")).fetchone():
        return built  # it would build for nothing: the last step is to wait for that one
    parameters = {"many_rows": MANY_ROWS, "slow": SLOW_PER_SECOND}
    due = connection.execute(statement("partitions_to_index"), parameters).fetchall()
    for part, name, definition, broken in due:
        index = sql.Identifier(name)
        create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {}")
        try:
            if broken:
                connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(index))
            connection.execute(create.format(index, sql.Identifier(part), sql.SQL(definition)))
        except GONE_OR_HELD:
            continue
        built.append(name)
    return built


def _vacuum(connection: Connection) -> list[str]:
    done = []
    for (part,) in connection.execute(statement("partitions_to_vacuum")).fetchall():
        try:
            command = sql.SQL("VACUUM (FREEZE, ANALYZE) {}").format(sql.Identifier(part))
            connection.execute(command)
        except GONE_OR_HELD:
            continue
        done.append(part)
    row = connection.execute(statement("parent_is_analysed")).fetchone()
    if done and not (row and row[0]):
        with suppress(psycopg.errors.LockNotAvailable):
            connection.execute("ANALYZE logs")  # autovacuum never looks at a parent
    return done
