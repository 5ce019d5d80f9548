"""Sealing: a partition gets the indexes that search needs when nothing much goes into it any more.

Full text and JSON indexes cost more at ingest than all the rest together (docs/benchmarks.md), and
built in one go they cost a fraction. So a partition is filled without them and sealed when it is
over: indexes CONCURRENTLY, which holds no writer up, then VACUUM. Those by trace and component
filled in no order and are half empty, so they are built anew, too. One that grows beyond what a
query can read in a second is sealed in parts meanwhile: indexes of a stretch of time that ends a
little before the newest record, so that only what comes late is sorted into them. When it is over,
the rest gets its own; nothing is indexed twice. What parts there are the catalog alone says. Where
somebody made pg_trgm an extension of the database, what is over gets an index for substrings, too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.layout import PARTITION_INTERVALS, Layout
from dewey_logs.statements import statement
from dewey_logs.transactions import ended

MANY_ROWS = 400_000  # about half a second of reading
MOST_SHARE = 3  # a part is a third of what is indexed: a day of ten million rows has ten parts
SETTLE_S = 30  # how much later than others a record usually comes at most
OVER_S = 600
BUILD_MEMORY = "128MB"
GONE_OR_HELD = (
    psycopg.errors.LockNotAvailable,  # by an old transaction
    psycopg.errors.UndefinedTable,  # dropped by retention
    psycopg.errors.UndefinedObject,
)
PATIENCE_S = 10.0  # longer than any query may take
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
        if not ended(connection, "old_snapshots", PATIENCE_S):
            return Sealed([], [])  # for nothing: the last step of each is to wait for that one
        built = _index(connection)
        vacuumed = _close(connection)
        for part in sorted({part for part, _ in built} - {*vacuumed}):
            _try(connection, "ANALYZE {}", part)  # what the planner knows is of before that stretch
        return Sealed([name for _, name in built], vacuumed)


def _index(connection: Connection) -> list[tuple[str, str]]:
    """Build what is due; return partitions and names of indexes."""
    built: list[tuple[str, str]] = []
    parameters = {
        "many_rows": MANY_ROWS,
        "most_share": MOST_SHARE,
        "settle_s": SETTLE_S,
        "over_s": OVER_S,
    }
    due = connection.execute(statement("indexes_to_build"), parameters).fetchall()
    due += connection.execute(statement("trigram_indexes_to_build"), {"over_s": OVER_S}).fetchall()
    for part, name, definition, broken in due:
        index = sql.Identifier(name)
        create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {}")
        try:
            if broken:
                connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(index))
            connection.execute(create.format(index, sql.Identifier(part), sql.SQL(definition)))
        except GONE_OR_HELD:
            continue
        except psycopg.errors.DiskFull:
            _try(connection, "DROP INDEX CONCURRENTLY {}", name)  # it fills the disk
            raise
        built.append((part, name))
    return built


def _close(connection: Connection) -> list[str]:
    """Pack and vacuum what is over; return the partitions."""
    if not _cut_short_are_gone(connection):
        return []  # what holds these would hold new ones, too
    found = connection.execute(statement("partitions_to_vacuum"), {"over_s": OVER_S}).fetchall()
    done = [
        part
        for (part,) in found
        if _packed(connection, part) and _try(connection, "VACUUM (FREEZE, ANALYZE) {}", part)
    ]
    row = connection.execute(statement("parent_is_analysed")).fetchone()
    if done and not (row and row[0]):
        with suppress(psycopg.errors.LockNotAvailable):
            connection.execute("ANALYZE logs")  # autovacuum never looks at a parent
    return done


def _cut_short_are_gone(connection: Connection) -> bool:
    left = connection.execute(statement("rebuilds_cut_short")).fetchall()
    return all(_try(connection, "DROP INDEX CONCURRENTLY {}", index) for (index,) in left)


def _packed(connection: Connection, part: str) -> bool:
    """Build its indexes by trace and component anew; say whether nothing is left to try again."""
    found = connection.execute(statement("indexes_to_pack"), {"part": part}).fetchall()
    try:
        return all(_try(connection, "REINDEX INDEX CONCURRENTLY {}", index) for (index,) in found)
    except psycopg.errors.DiskFull:  # it can stay as large as it is
        return _cut_short_are_gone(connection)


def _try(connection: Connection, command: LiteralString, name: str) -> bool:
    try:
        connection.execute(sql.SQL(command).format(sql.Identifier(name)))
    except GONE_OR_HELD:
        return False
    return True
