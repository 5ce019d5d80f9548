"""Stream entries by their ids, and in a line each, as they are: nobody has vouched for them yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from godot.stream.ids import StreamID
    from godot.stream.replies import Entry

SHOWN_BYTES = 200


def said(entry: Entry | None) -> str:
    """Return what an entry says, in one line; whoever reads it was promised nothing about it."""
    if entry is None:
        return "(gone: trimmed from the stream)"
    fields: Mapping[bytes, bytes] = entry.fields
    if {b"level", b"component", b"message"} <= fields.keys():
        parts = [fields[b"level"], fields[b"component"], fields[b"message"]]
    else:
        parts = [name + b"=" + value for name, value in fields.items()]
    text = b" ".join(parts)
    shown = text[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return shown if len(text) <= SHOWN_BYTES else f"{shown}… ({len(text):,} bytes)"


def entry_id(text: str) -> StreamID:
    """Return what a person means by an entry's id; a usage error for anything else."""
    from godot.stream.ids import StreamID

    try:
        found = StreamID.parse(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no entry id: write 1795353551832-0", param_hint="ENTRY"
        ) from None
    if min(found) < 0 or max(found) >= 2**64:
        raise click.BadParameter(f"{text!r} is no entry id", param_hint="ENTRY")
    return found
