"""A moved record's own time: what it says, and when it counts after all.

A worker judges a record's time by that of its entry, which every delivery repeats. But entry ids
come from the server's clock, and one forged id holds all later ones in its future: then honest
records look wrong. So where the entry's time lies outside the accepted window around the database's
now, and the record's own inside, the own time stands, and the record is no moved one any more.

Another copy may have been judged otherwise, then or later. That is the ordinary case of one copy
moved and the other not (ways.py), so they stay one row.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from dewey_logs.copydata import EARLIEST_US, LATEST_US
from dewey_logs.rows import LogRow

NOTE = "created_at"  # in data.godot


class _Original(msgspec.Struct, frozen=True):
    created_at: str | int | None = None


class _Notes(msgspec.Struct, frozen=True):
    godot: _Original = _Original()


_notes = msgspec.json.Decoder(_Notes)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timed(row: LogRow, earliest_us: int, latest_us: int) -> LogRow:
    """Return a row under its own time, if that is what it should be stored under."""
    if not row.moved or earliest_us <= row.created_at_us <= latest_us:
        return row
    own_us = own_time_us(row)
    if own_us is None or not earliest_us <= own_us <= latest_us:
        return row
    return msgspec.structs.replace(
        row, created_at_us=own_us, moved=False, data=_without_note(row.data)
    )


def own_time_us(row: LogRow) -> int | None:
    """Return a moved record's own time from `data.godot.created_at`.

    A number there is the milliseconds inside the record id. None when there is nothing to compare
    with: no text of a time, or a time outside the years 1 to 9999, which has no partition.
    """
    if row.data is None:
        return None
    try:
        original = _notes.decode(row.data).godot.created_at
        if isinstance(original, int):
            return original * 1000 if EARLIEST_US <= original * 1000 <= LATEST_US else None
        own = datetime.fromisoformat((original or "").upper())
    except (msgspec.MsgspecError, ValueError):
        return None
    if own.tzinfo is None:
        own = own.replace(tzinfo=UTC)
    return (own - _EPOCH) // timedelta(microseconds=1)


def _without_note(data: bytes | None) -> bytes | None:
    """Return data without the note of a time that is the stored one now."""
    members = _members.decode(data or b"{}")
    notes = _members.decode(members.pop("godot"))
    del notes[NOTE]
    if notes:
        members["godot"] = msgspec.Raw(msgspec.json.encode(notes))
    return msgspec.json.encode(members) if members else None
