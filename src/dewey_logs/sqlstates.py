"""One table: what an error of PostgreSQL means for a batch.

The wrong answer is expensive either way. An outage taken for a bad row throws good records into
the dead letters; a bad row taken for an outage stops the stream for ever. So every class is named
here, the longest match wins, and whatever is not named counts as an outage, loudly: waiting loses
nothing.
"""

from __future__ import annotations

import enum

import psycopg

from dewey_logs.errors import (
    DeweyError,
    LoginRefused,
    SchemaProblem,
    TooSlow,
    Unavailable,
    Unreachable,
)
from dewey_logs.logins import OWNER, Login

NO_RIGHT = "42501"
CANCELLED = "57014"  # by a person, or by statement_timeout


class Verdict(enum.Enum):
    """What to do about an error."""

    OUTAGE = "keep the batch and try again later"
    UNKNOWN = "as an outage, and say loudly that nobody has classified it"
    ROW = "find the row, refuse it, store its neighbours"
    KNOWN = "a row is stored already: take the staging path; there it is the row's own fault"
    MISSING_DAY = "make the partition and try again; where it exists it is the row's own fault"
    SCHEMA = "the database is not usable as it is; a person has to look"


TABLE: dict[str, Verdict] = {
    "08": Verdict.OUTAGE,  # connection exceptions
    "25": Verdict.OUTAGE,  # invalid transaction state; 25006 is a read-only standby or a full disk
    "40": Verdict.OUTAGE,  # serialization failures and deadlocks
    "53": Verdict.OUTAGE,  # out of disk, memory, connections
    "55": Verdict.OUTAGE,  # lock not available, object in use
    "57": Verdict.OUTAGE,  # cancelled by timeout, shutting down, starting up
    "58": Verdict.OUTAGE,  # the system below PostgreSQL failed
    "XX": Verdict.OUTAGE,  # internal errors and damaged pages: no fault of the row
    "72": Verdict.OUTAGE,  # snapshot too old
    "F0": Verdict.OUTAGE,  # configuration file error
    "21": Verdict.ROW,  # cardinality violation
    "22": Verdict.ROW,  # data exceptions: encoding, numbers, JSON, times
    "23": Verdict.ROW,  # constraints, except the two below
    "23505": Verdict.KNOWN,
    "54": Verdict.ROW,  # too long for an index, too deep for the stack
    "28": Verdict.SCHEMA,  # login refused
    "3D": Verdict.SCHEMA,  # no such database
    "3F": Verdict.SCHEMA,  # no such schema
    "42": Verdict.SCHEMA,  # no such table or function, or no right to it
    "0A": Verdict.SCHEMA,  # feature not supported: a server too old
}

# While a connection is being made, libpq gives the server's text but not its SQLSTATE.
_CONNECT_TEXTS = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("peer authentication failed", "28000"),
    ("is not permitted to log in", "28000"),
    ('role "', "28000"),
    ('database "', "3D000"),
    ('permission denied for database "', NO_RIGHT),
)


def verdict(sqlstate: str | None, constraint: str | None = None) -> Verdict:
    """Return what an error means.

    Without a SQLSTATE the server did not speak: the connection failed. `constraint` tells a missing
    partition (23514 that names none) from a CHECK that a row breaks; a trigger may raise either.
    """
    if sqlstate is None:
        return Verdict.OUTAGE
    if sqlstate == "23514" and not constraint:
        return Verdict.MISSING_DAY
    return TABLE.get(sqlstate) or TABLE.get(sqlstate[:2]) or Verdict.UNKNOWN


def verdict_on(error: psycopg.Error) -> Verdict:
    """Return what an error of psycopg means; values it cannot send carry no SQLSTATE."""
    if error.sqlstate is None and isinstance(error, psycopg.DataError):
        return Verdict.ROW
    return verdict(error.sqlstate, error.diag.constraint_name)


def first_line(error: BaseException) -> str:
    """Return an error's first line, which is the part for a person."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def translated(error: psycopg.Error, login: Login = OWNER, user: str = "") -> DeweyError:
    """Return the error that callers of Dewey know, for one that is not about a row.

    `login` and `user` say who would need the right, if a missing one is the reason.
    """
    state = error.sqlstate
    found = verdict_on(error)
    if state == NO_RIGHT and user:
        return SchemaProblem(login.lacks(user, first_line(error)))
    if found is Verdict.SCHEMA:
        advice = (
            "run `dewey migrate`" if state in _NOT_MIGRATED else "look at the database's set-up"
        )
        return SchemaProblem(f"PostgreSQL says: {first_line(error)} [{state}]; {advice}")
    if found is Verdict.OUTAGE:
        kind = Unavailable if state else Unreachable
        return kind(f"PostgreSQL is unavailable: {first_line(error)}{_suffix(state)}")
    return Unavailable(
        f"PostgreSQL answered with an error nobody has classified{_suffix(state)}, which is taken "
        f"for an outage: {first_line(error)}"
    )


def too_slow(error: psycopg.Error, records: int) -> TooSlow:
    """Return the error that callers know, for a statement that took longer than it may."""
    return TooSlow(
        f"PostgreSQL is too slow for a batch of {records}: {first_line(error)}"
        f"{_suffix(error.sqlstate)}"
    )


_NOT_MIGRATED = frozenset({"42P01", "42883", "42703", "42704"})


def _suffix(sqlstate: str | None) -> str:
    return f" [{sqlstate}]" if sqlstate else ""


def translated_connect(error: psycopg.Error) -> DeweyError:
    """Return the error that callers know, for a connection that was never made."""
    text = str(error)
    for part, sqlstate in _CONNECT_TEXTS:
        if f"FATAL:  {part}" in text or (not part.endswith('"') and part in text):
            return LoginRefused(f"PostgreSQL refuses the login: {_fatal(text)} [{sqlstate}]")
    kind = Unavailable if "FATAL:" in text else Unreachable
    return kind(f"PostgreSQL cannot be reached: {_fatal(text)}")


def _fatal(text: str) -> str:
    """Return the telling part of libpq's lines, one for each address it tried."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return next((line for line in lines if "FATAL:" in line), lines[0] if lines else "no answer")
