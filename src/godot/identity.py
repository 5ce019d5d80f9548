"""Which record an entry is: whoever stores it, gives it up or counts it reads the id alike.

Were they to differ, a number would be settled under one name and looked for under another, and the
audit would call it unaccounted.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from clientlib import Notes, RecordError, RecordId, read_record_id
from godot.stream.replies import Entry
from godot.worker.payload import unpacked


class Identity(NamedTuple):
    """A record's id, and what it says when it is one of ours.

    `foreign`: the producer gave an id of its own kind, which says nothing about time.
    """

    id: bytes
    ours: RecordId | None = None
    foreign: bool = False

    @property
    def given(self) -> bool:
        """Whether the producer gave the id; a derived one is another at every sending."""
        return self.foreign or self.ours is not None

    @property
    def producer(self) -> int | None:
        return self.ours and self.ours.producer

    @property
    def sequence(self) -> int | None:
        return self.ours and self.ours.sequence


def read_identity(raw: bytes) -> Identity | None:
    """Return what an `id` field says, None when it is no UUID; hyphens may stand or be left out."""
    try:
        as_bytes = bytes.fromhex(raw.decode("ascii").replace("-", ""))
    except ValueError:
        return None
    if len(as_bytes) != 16:
        return None
    ours = read_record_id(as_bytes)
    return Identity(as_bytes, ours, ours is None)


def record_fields(entry: Entry, notes: Notes) -> dict[bytes, bytes]:
    """Return a record's fields, whether they are the entry's own or stand in its one field `json`.

    Raises RecordError when that is no JSON.
    """
    fields = entry.fields
    if len(fields) == 1 and b"json" in fields:
        return unpacked(fields[b"json"], notes)
    return fields


def given_id(entry: Entry) -> bytes | None:
    """Return the `id` field of a record that is not to be read any further, None without one."""
    with suppress(RecordError):
        return record_fields(entry, Notes()).get(b"id")
    return None
