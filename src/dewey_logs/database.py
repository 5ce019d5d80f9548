"""Connections to PostgreSQL: what every one of them needs before its first statement.

A network that swallows packets must not hold a thread for ever: keepalives and tcp_user_timeout end
a dead connection within half a minute, statement_timeout a slow statement, and our own patience a
wait for an answer that never comes. How a connection is made stays as the URL says; what a session
takes for granted is set whatever the server, the database or the login has as its default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dewey_logs.errors import BadAddress, SchemaProblem, Unreachable
from dewey_logs.logins import OWNER, Login
from dewey_logs.patience import PatientConnection
from dewey_logs.sqlstates import translated, translated_connect

OLDEST_SERVER = 150_000  # PostgreSQL 15

_QUOTED = r'(?s)(?<!parameter: )".*"'

Connection = psycopg.Connection[tuple[Any, ...]]

_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "client_encoding": "utf-8",
}


SESSION: dict[str, str | int] = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "standard_conforming_strings": "on",
    # of two that store the same record the one who waited has to see what the other committed
    "default_transaction_isolation": "read committed",
    "statement_timeout": 0,  # upkeep takes as long as it takes; who must not wait says how long
}


def conninfo(url: str, application_name: str) -> str:
    """Return libpq's form of a postgresql:// URL with our defaults.

    Raises BadAddress for a URL of another kind: one line that says what would do.
    """
    if url.startswith(("http://", "https://")):
        raise BadAddress("this needs PostgreSQL itself, no Dewey: give a postgresql:// URL")
    if not url.startswith(("postgresql://", "postgres://")):
        raise BadAddress("the store's URL has to begin with postgresql://")
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as exc:
        # libpq quotes what it cannot read, and that may be the password
        said = re.sub(_QUOTED, "(hidden)", str(exc).strip())
        raise BadAddress(f"the store's URL cannot be read: {said}") from exc
    except UnicodeError as exc:
        raise BadAddress("the store's URL cannot be read: it is no valid UTF-8") from exc
    defaults = {**_DEFAULTS, "application_name": application_name}
    return make_conninfo(url, **{k: v for k, v in defaults.items() if k not in given})


def connect(
    info: str, *, patience_s: float | None = None, **settings: str | int
) -> PatientConnection:
    """Open a connection in autocommit mode with these session settings, beside those of every one.

    With `patience_s` no wait for an answer lasts longer; it has to exceed every statement's limit.
    Raises Unavailable or SchemaProblem; also for a server older than PostgreSQL 15.
    """
    try:
        connection = PatientConnection.connect(info, autocommit=True)
    except psycopg.Error as exc:
        raise translated_connect(exc) from exc
    except UnicodeError as exc:  # of a host whose name cannot be looked up
        raise BadAddress(f"the store's URL cannot be used: {exc}") from exc
    except OSError as exc:  # psycopg waits with a selector, which takes a file descriptor, too
        raise Unreachable(f"PostgreSQL cannot be reached: {exc}") from exc
    connection.patience_s = patience_s
    try:
        version = connection.info.server_version
        if version < OLDEST_SERVER:
            raise SchemaProblem(
                f"PostgreSQL {version // 10_000} is too old: Dewey needs {OLDEST_SERVER // 10_000}"
            )
        apply_settings(connection, {**SESSION, **settings})
    except psycopg.Error as exc:
        connection.close()
        raise translated(exc) from exc
    except BaseException:
        connection.close()
        raise
    return connection


def apply_settings(connection: Connection, settings: dict[str, str | int]) -> None:
    """Set session settings in one round trip."""
    names, values = list(settings), [str(value) for value in settings.values()]
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) s(name, value)",
        (names, values),
    )


@contextmanager
def errors_translated(connection: Connection, login: Login = OWNER) -> Iterator[None]:
    """Turn what psycopg raises into Dewey's errors; for work that is not about single rows."""
    try:
        yield
    except psycopg.Error as exc:
        raise translated(exc, login, user_of(connection)) from exc


def user_of(connection: Connection | None) -> str:
    """Return who is logged in, nothing when the connection is gone."""
    return "" if connection is None or connection.closed else connection.info.user
