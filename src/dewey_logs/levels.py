"""Levels set from outside, the source of them all: the table `logger_config`.

Dewey never talks to Redis: Godot mirrors the table to where running programs read it. What has
expired counts as not there, and goes when the next level is set. Writing is the owner's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.statements import statement

ALL_COMPONENTS = "*"
STATEMENT_TIMEOUT_MS = 5_000


class LevelSetting(msgspec.Struct, frozen=True):
    """The least level that a component's programs log; component `*` is every other one.

    `expires_at` is RFC 3339 UTC, None for good; `expires_ms` the same in Unix milliseconds.
    """

    component: str
    level: str
    expires_at: str | None
    expires_ms: int | None


class LevelTable:
    """Sets and takes back levels."""

    def __init__(self, owner_url: str) -> None:
        self._info = conninfo(owner_url, "dewey-levels")

    def set(self, component: str, level: str, for_ms: int | None) -> LevelSetting:
        """Set a level, for good or for so long; see Store.set_level."""
        values = {"component": component, "level": level, "for_ms": for_ms}
        with self._connected() as connection, connection.transaction():
            connection.execute(statement("forget_expired_levels"))
            row = connection.execute(statement("set_level"), values).fetchone()
        assert row is not None
        return LevelSetting(*row)

    def clear(self, component: str | None) -> tuple[str, ...]:
        """Take back one component's level or every one; see Store.clear_levels."""
        with self._connected() as connection:
            rows = connection.execute(statement("clear_levels"), {"component": component})
            return tuple(name for (name,) in rows.fetchall())

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with (
            connect(self._info, timezone="UTC", statement_timeout=STATEMENT_TIMEOUT_MS) as made,
            errors_translated(made),
        ):
            yield made


def levels(connection: Connection) -> tuple[LevelSetting, ...]:
    """Return what is in force, by component."""
    return tuple(LevelSetting(*row) for row in connection.execute(statement("levels")).fetchall())
