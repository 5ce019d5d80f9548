"""Migrations: ordered files, one transaction each, recorded with the checksum of what ran.

Many hosts may migrate at once: an advisory lock lets one work while the others wait and then find
nothing to do. A file that was edited after it ran is refused before anything else happens: from
there on nobody would know which schema a database has. At the end everybody's rights are set anew
(dewey_grant in 0008_roles.sql), so that roles made in between need nothing but another run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg

from dewey_logs import partitions
from dewey_logs.database import Connection, connect, conninfo, errors_translated, user_of
from dewey_logs.errors import SchemaProblem, Unavailable
from dewey_logs.layout import AS_BEFORE, Layout
from dewey_logs.logins import OWNER
from dewey_logs.sealing import choose
from dewey_logs.sqlstates import NO_RIGHT, Verdict, first_line, translated, verdict_on
from dewey_logs.statements import folder, statement

WAIT_FOR_OTHERS_MS = 600_000
LOCK_TIMEOUT_MS = 30_000

_FILE = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One file: its name without the suffix, its text, and the checksum of the text."""

    name: str
    text: LiteralString
    checksum: str


def available(where: Path | None = None) -> list[Migration]:
    """Return every migration that this version of Dewey brings, in order."""
    found = []
    for path in sorted((where or folder() / "migrations").iterdir()):
        if _FILE.fullmatch(path.name):
            text = path.read_text("utf-8").replace("\r\n", "\n")
            found.append(Migration(path.stem, text, hashlib.sha256(text.encode()).hexdigest()))
    return found


def migrate(
    url: str,
    layout: Layout = AS_BEFORE,
    *,
    where: Path | None = None,
    remark: Callable[[str], None] = lambda line: None,
    step: Callable[[str, int], None] = lambda name, left: None,
) -> list[str]:
    """Apply what is missing, make the partitions ahead; return the names of what was applied.

    `url` is the owner's. `where` is a folder of other files; then nothing but those is applied.
    `remark` is called with a line for each thing that this login may not do and that is not
    necessary: make the roles, hand the tables over, grant them the schema; and where the database
    cannot tell which letters are capitals. `step` is told the name
    of each migration before it runs, and how many are left with it. Raises SchemaProblem for
    an edited migration, one that fails, a server that is too old or a missing right, Unavailable
    for an outage or a full disk; nothing of the failed migration stays.
    """
    with connect(conninfo(url, "dewey-migrate"), lock_timeout=WAIT_FOR_OTHERS_MS) as connection:
        with errors_translated(connection):
            schema = _schema(connection)
            connection.execute("SELECT pg_advisory_lock(hashtext('dewey'), hashtext('migrate'))")
            connection.execute(statement("make_migrations_table"))
            lacking = _missing(available(where), _applied(connection))
            connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        for done, migration in enumerate(lacking):
            step(migration.name, len(lacking) - done)
            _apply(connection, migration, schema)
        for line in (*_grant(connection), *_blind_to_capitals(connection)):
            remark(line)
        if where is None:
            choose(connection, layout)
            partitions.ensure(connection)
    return [migration.name for migration in lacking]


def missing(connection: Connection) -> list[str]:
    """Return the names of the migrations that a database lacks, for a login that may read them."""
    return [migration.name for migration in _missing(available(), _applied(connection))]


def check(url: str, *, where: Path | None = None) -> list[str]:
    """Return the names of the migrations that the database still lacks; change nothing.

    Raises SchemaProblem when one that ran was edited since, Unavailable when there is no answer.
    """
    with connect(conninfo(url, "dewey-migrate")) as connection, errors_translated(connection):
        row = connection.execute("SELECT to_regclass('dewey_migrations')").fetchone()
        applied = _applied(connection) if row and row[0] else {}
    return [migration.name for migration in _missing(available(where), applied)]


def _grant(connection: Connection) -> list[str]:
    """Give the roles their rights, all or none; return what could not be done."""
    with errors_translated(connection), connection.transaction():
        row = connection.execute("SELECT to_regproc('dewey_grant') IS NOT NULL").fetchone()
        if row is None or not row[0]:  # a folder of older files
            return []
        return [line for (line,) in connection.execute("SELECT dewey_grant()")]


def _blind_to_capitals(connection: Connection) -> list[str]:
    with errors_translated(connection):
        row = connection.execute(statement("letters")).fetchone()
    if row is None or row[0]:
        return []
    return [
        f"in this database, whose locale is {row[1]}, a search for Ä does not find ä: "
        "C.UTF-8 or the locale of a language would"
    ]


def _schema(connection: Connection) -> str:
    """Return the schema that everything is made in; raises SchemaProblem for one that cannot be."""
    row = connection.execute(statement("place")).fetchone()
    assert row is not None
    schema, found_in, encoding = row
    if encoding != "UTF8":
        raise SchemaProblem(
            f"the database's encoding is {encoding}, which cannot hold every text: "
            "create one with ENCODING 'UTF8' TEMPLATE template0"
        )
    if schema is None:
        raise SchemaProblem("the search_path names no schema that exists: create one")
    if found_in not in (None, schema):
        raise SchemaProblem(
            f"the store is in the schema {found_in}, but the search_path begins with {schema}, "
            "where another would be made: name one of them in search_path"
        )
    return str(schema)


def _applied(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, checksum FROM dewey_migrations").fetchall())


def _missing(brought: list[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return what has not run yet; an unknown one that ran is from a newer Dewey, which is fine."""
    for migration in brought:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise SchemaProblem(
                f"migration {migration.name} was edited after it ran on this database: "
                "restore the file, and put the change into a new migration"
            )
    return [migration for migration in brought if migration.name not in applied]


def _apply(connection: Connection, migration: Migration, schema: str) -> None:
    try:
        with connection.transaction():
            # functions keep this path: a temporary table must never stand in for one of ours
            connection.execute(
                "SELECT set_config('search_path', format('%%I, pg_temp', %s::text), true)",
                (schema,),
            )
            connection.execute(migration.text)
            connection.execute(
                "INSERT INTO dewey_migrations (name, checksum) VALUES (%s, %s)",
                (migration.name, migration.checksum),
            )
    except psycopg.Error as exc:
        if exc.sqlstate is None:  # the connection is gone, and nobody knows what was committed last
            raise translated(exc) from exc
        said = f"migration {migration.name} failed and was undone: {first_line(exc)}"
        if exc.sqlstate == NO_RIGHT:
            raise SchemaProblem(OWNER.lacks(user_of(connection), said)) from exc
        kind = Unavailable if verdict_on(exc) is Verdict.OUTAGE else SchemaProblem
        raise kind(f"{said} [{exc.sqlstate}]") from exc
