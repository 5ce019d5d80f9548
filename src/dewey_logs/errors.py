"""Dewey's errors: what a caller can do about it decides the class, not the driver's tree."""

from __future__ import annotations


class DeweyError(Exception):
    """Base of everything Dewey raises on purpose; the message is one line for a person."""


class BadAddress(DeweyError):
    """The store's URL is none that can be used; the message says what would do."""


class CannotListen(DeweyError):
    """An address that cannot be bound, or must not be; the message names the variable."""


class Unavailable(DeweyError):
    """PostgreSQL is away, full, read-only or too slow: keep the batch and try again later."""


class Unreachable(Unavailable):
    """PostgreSQL said nothing: it, or the way to it from here, is away; another may reach it."""


class TooSlow(Unavailable):
    """A batch takes longer than it may: a smaller one may do."""


class Unanswered(TooSlow, Unreachable):
    """Who took what was sent said nothing in time: busy with it for too long, or away since."""


class Unclassified(Unavailable):
    """PostgreSQL answers with an error that may be an outage, or the doing of one row nobody knows.

    `sqlstate` is the error's code and `said` the first line of its text.
    """

    def __init__(self, sqlstate: str | None, said: str) -> None:
        super().__init__(
            f"PostgreSQL refuses a batch, and whether one of its rows is to blame is not known "
            f"[{sqlstate}]: {said}"
        )
        self.sqlstate = sqlstate
        self.said = said


class TooLarge(Unclassified):
    """A batch larger than a Dewey behind HTTP takes at once: no outage, divide it."""

    def __init__(self, said: str) -> None:
        super().__init__(None, said)


class SchemaProblem(DeweyError):
    """The database answers but is not usable: not migrated, too old, or a right missing."""


class LoginRefused(SchemaProblem):
    """PostgreSQL knows no such login or database, or wants another password."""

    next_step = "correct the login in DEWEY_URL, DEWEY_READER_URL or DEWEY_OWNER_URL"


class NotDurable(DeweyError):
    """The server may forget what it has committed: acknowledging records on its word loses them."""


class BadFilter(DeweyError):
    """A filter or cursor that makes no sense; the message says what would."""


class QueryTimeout(DeweyError):
    """The query ran out of its time budget; the message says what to narrow."""


class BadChoice(DeweyError):
    """An option of a command that does not exist; the message says which do."""
