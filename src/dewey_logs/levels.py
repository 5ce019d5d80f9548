"""Levels set from outside, the source of them all: the table `logger_config`.

Dewey never talks to Redis: Godot mirrors the table to where running programs read it. What has
expired counts as not there, and goes when the next level is set. Writing is the owner's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.notes import note
from dewey_logs.statements import statement
from dewey_logs.times import micros
from dewey_logs.writer import Writer

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


class LevelChange(msgspec.Struct, frozen=True):
    """Who wants a level to change, and in which trace."""

    asked_by: str
    trace_id: str | None = None


class LevelTable:
    """Sets and takes back levels as the owner; the writer stores the records that tell of it."""

    def __init__(self, owner_url: str, writer: Writer) -> None:
        self._info = conninfo(owner_url, "dewey-levels")
        self._writer = writer

    def set(
        self, component: str, level: str, for_ms: int | None, change: LevelChange
    ) -> LevelSetting:
        """Set a level, for good or for so long; see Store.set_level."""
        values = {"component": component, "level": level, "for_ms": for_ms}
        self._writer.check()  # nothing changes that could not be told of
        with self._connected() as connection, connection.transaction():
            connection.execute(statement("forget_expired_levels"))
            row = connection.execute(statement("set_level"), values).fetchone()
        assert row is not None
        setting = LevelSetting(*row)
        said = {"of": component, "level": setting.level, "expires_at": setting.expires_at}
        self._tell("level set", said, change)
        return setting

    def clear(self, component: str | None, change: LevelChange) -> tuple[str, ...]:
        """Take back one component's level or every one; see Store.clear_levels."""
        self._writer.check()
        with self._connected() as connection:
            rows = connection.execute(statement("clear_levels"), {"component": component})
            gone = tuple(name for (name,) in rows.fetchall())
        if gone:
            self._tell("level taken back", {"of": sorted(gone)}, change)
        return gone

    def _tell(self, message: str, said: Mapping[str, object], change: LevelChange) -> None:
        note(
            self._writer,
            message,
            {**said, "asked_by": change.asked_by},
            id=uuid.uuid4().bytes,
            at_us=micros(datetime.now(UTC)),
            trace_id=change.trace_id,
        )

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
