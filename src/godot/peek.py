"""Entries as they stand in the stream, read without touching any group.

Whoever debugs a producer wants to see what it really sent, and what a worker would make of that:
so each entry comes with its raw fields, where it is on its way, and why it would be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from dewey_logs import Reject
from godot.settings import Settings
from godot.stream import snapshot
from godot.stream.connection import ask, close, connect
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.pending import payloads, pending_among
from godot.stream.replies import Entry, entries
from godot.worker.decode import Decoder

Place: TypeAlias = Literal["undelivered", "pending", "settled"]
ANY_TIME_S = 100 * 365 * 86_400  # whether a record's time is accepted only the store knows


class Seen(msgspec.Struct, frozen=True):
    """One entry: how old it is, where it is on its way, and why a worker would refuse it."""

    entry: Entry
    age_ms: int
    place: Place
    refused: str | None


def newest(settings: Settings, count: int, since: datetime | None = None) -> list[Seen]:
    """Return the last entries, oldest first; with `since`, the first ones from then on."""
    key = stream_key(settings.stream)
    if since is None:
        return _seen(settings, ("XREVRANGE", key, "+", "-", "COUNT", count))[::-1]
    start = f"{int(since.timestamp() * 1000)}-0"
    return _seen(settings, ("XRANGE", key, start, "+", "COUNT", count))


def undelivered(settings: Settings, count: int) -> list[Seen]:
    """Return the entries that the group will be given next."""
    delivered = snapshot.take(settings).group.last_delivered_id
    start = "-" if delivered is None else f"({delivered}"
    key = stream_key(settings.stream)
    return _seen(settings, ("XRANGE", key, start, "+", "COUNT", count))


def named(settings: Settings, ids: Sequence[StreamID]) -> list[Seen]:
    """Return those of the entries that the stream still holds."""
    client = connect(settings)
    try:
        found = payloads(client, stream_key(settings.stream), ids)
    finally:
        close(client)
    return _placed(settings, [found[one] for one in ids if one in found])


def _seen(settings: Settings, command: Sequence[str | int]) -> list[Seen]:
    client = connect(settings)
    try:
        found = entries(ask(client, *command))
    finally:
        close(client)
    return _placed(settings, found)


def _placed(settings: Settings, found: Sequence[Entry]) -> list[Seen]:
    now = snapshot.take(settings)
    delivered = now.group.last_delivered_id
    ids = [entry.id for entry in found]
    client = connect(settings)
    try:
        pending = pending_among(client, now.stream, settings.group, ids)
    finally:
        close(client)
    decoder = Decoder(now.stream, back_s=ANY_TIME_S, ahead_s=ANY_TIME_S)

    def place(one: StreamID) -> Place:
        if delivered is None or one > delivered:
            return "undelivered"
        return "pending" if one in pending else "settled"

    def refused(entry: Entry) -> str | None:
        decoded = decoder.decode(entry)
        return decoded.reason if isinstance(decoded, Reject) else None

    return [
        Seen(entry, max(0, now.now_ms - entry.id.ms), place(entry.id), refused(entry))
        for entry in found
    ]
