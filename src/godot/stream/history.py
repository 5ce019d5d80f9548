"""What the stream still holds between two ids, read without any group."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import redis

from godot.stream.connection import ask
from godot.stream.ids import StreamID
from godot.stream.replies import Entry, entries


class Stretch(msgspec.Struct, frozen=True):
    """A part of the stream, both ends included, and how many entries it holds now."""

    first: StreamID
    last: StreamID
    entries: int


def stretch(client: redis.Redis, stream: str, first: StreamID, last: StreamID | None) -> Stretch:
    """Measure a part; without `last` it ends where the stream ends at this moment.

    Redis has no count for a range, so the entries are read: about a second for 100,000.
    """
    newest = entries(ask(client, "XREVRANGE", stream, "+", "-", "COUNT", 1))
    if not newest or newest[0].id < first:
        return Stretch(first, first, 0)
    end = newest[0].id if last is None else min(last, newest[0].id)
    found = Stretch(first, end, 0)
    return Stretch(first, end, sum(len(page) for page in pages(client, stream, found, 1_000)))


def pages(client: redis.Redis, stream: str, part: Stretch, count: int) -> Iterator[list[Entry]]:
    """Yield the part's entries in order; trimming meanwhile only makes it shorter."""
    start = str(part.first)
    while page := entries(ask(client, "XRANGE", stream, start, str(part.last), "COUNT", count)):
        yield page
        start = f"({page[-1].id}"
