"""Facts about the database that records are kept in, for whoever looks after it.

Facts, not judgements: what of them is wrong, and what to do, says the one who asks. Everything is
asked as a reader; only who the writer is, the writer says.
"""

from __future__ import annotations

import msgspec

from dewey_logs.database import Connection
from dewey_logs.migrations import missing
from dewey_logs.statements import statement


class LoginFacts(msgspec.Struct, frozen=True):
    """One login: whether it may do everything, owns the log, and how long a statement may take."""

    user: str
    superuser: bool
    owner: bool
    statement_timeout: str


class Diagnosis(msgspec.Struct, frozen=True):
    """The database at one moment; times are RFC 3339 UTC, sizes bytes.

    `settings` are those on which it depends whether a commit lasts. `ahead_until` is where the last
    partition ends (None: there is none), `unindexed` are partitions that were over an hour ago and
    have no search indexes, `invalid_indexes` those whose making was cut short. `migrations` are the
    ones that this version has and the database lacks.
    """

    version: str
    now_ms: int
    database_bytes: int
    settings: dict[str, str]
    migrations: tuple[str, ...]
    partitions: int
    ahead_until: str | None
    ahead_seconds: float | None
    unindexed: tuple[str, ...]
    invalid_indexes: tuple[str, ...]
    connections: int
    max_connections: int
    reader: LoginFacts
    writer: LoginFacts | None = None


def read(connection: Connection) -> Diagnosis:
    """Ask everything that a reader may ask."""
    row = connection.execute(statement("diagnosis")).fetchone()
    assert row is not None
    version, now_ms, size, settings, connections, limit = row
    days = connection.execute(statement("diagnosis_partitions")).fetchone()
    assert days is not None
    count, until, seconds, unindexed, invalid = days
    return Diagnosis(
        version=version,
        now_ms=now_ms,
        database_bytes=size,
        settings=settings,
        migrations=tuple(missing(connection)),
        partitions=count,
        ahead_until=until,
        ahead_seconds=None if seconds is None else float(seconds),
        unindexed=tuple(unindexed),
        invalid_indexes=tuple(invalid),
        connections=connections,
        max_connections=limit,
        reader=login(connection),
    )


def login(connection: Connection) -> LoginFacts:
    """Say who is logged in here."""
    row = connection.execute(statement("diagnosis_login")).fetchone()
    assert row is not None
    return LoginFacts(*row)
