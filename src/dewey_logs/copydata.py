"""Rows in the format of binary COPY, made by hand.

Measured (tests/bench/store.py): psycopg's own writers, row by row and with no store around them,
give no more than all of the store does this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import Struct

from dewey_logs.rows import LogRow

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")

# timestamptz counts from 2000; years 1 to 9999 are what every reader of ours can show
_EPOCH_US = 946_684_800_000_000
EARLIEST_US, LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_fixed = Struct(">hiqi16siq").pack  # number of fields; length, value of created_at, id, pattern
_length = Struct(">i").pack
_jsonb = Struct(">ib").pack  # length, version of the format


class RowRefused(Exception):
    """A row that cannot be stored: why, in words for a person, and PostgreSQL's SQLSTATE if any."""

    def __init__(self, reason: str, sqlstate: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sqlstate = sqlstate


def encode(row: LogRow, pattern: int) -> bytes:
    """Return one row's bytes; raises RowRefused for a row that cannot be sent at all.

    Columns: created_at, id, pattern, level, component, trace_id, message, data.
    """
    if not EARLIEST_US <= row.created_at_us <= LATEST_US:
        raise RowRefused("created_at is outside the years 1 to 9999")
    if len(row.id) != 16:  # struct would pad or cut it; a caller's mistake, not the record's
        raise ValueError(f"the record id has {len(row.id)} bytes instead of 16")
    data = row.data
    try:
        message = row.message.encode()
        trace_id = b"" if row.trace_id is None else row.trace_id.encode()
        return b"".join(
            (
                _fixed(8, 8, row.created_at_us - _EPOCH_US, 16, row.id, 8, pattern),
                _level_and_component(row.level, row.component),
                _NULL if row.trace_id is None else _length(len(trace_id)),
                trace_id,
                _length(len(message)),
                message,
                _NULL if data is None else _jsonb(len(data) + 1, 1),
                data or b"",
            )
        )
    except UnicodeEncodeError as exc:
        raise RowRefused(f"text that is no valid Unicode: {exc.reason}") from exc


@lru_cache(4096)
def _level_and_component(level: str, component: str) -> bytes:
    """Return two fields that a service repeats in every record."""
    if level not in LEVELS:
        raise RowRefused(f"level {level!r:.40} is none of {' '.join(LEVELS)}")
    name, text = level.encode(), component.encode()
    return _length(len(name)) + name + _length(len(text)) + text


def copy_data(rows: Iterable[LogRow], encoded: Mapping[bytes, bytes]) -> bytes:
    """Return everything that one COPY of these rows sends; `encoded` holds each row's, by id."""
    return b"".join([_HEAD, *[encoded[row.id] for row in rows], _TAIL])
