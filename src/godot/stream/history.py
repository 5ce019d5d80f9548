"""What the stream still holds between two ids, read without any group."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import redis

from godot.stream.connection import ask
from godot.stream.ids import StreamID
from godot.stream.outline import entry_ids
from godot.stream.replies import Entry, entries

FIRST = 16  # entries that are read while nothing is known of their size


class Stretch(msgspec.Struct, frozen=True):
    """A part of the stream, both ends included, and how many entries it holds now."""

    first: StreamID
    last: StreamID
    entries: int


def stretch(client: redis.Redis, stream: str, first: StreamID, last: StreamID | None) -> Stretch:
    """Measure a part; without `last` it ends where the stream ends at this moment.

    Redis has no count for a range, so the ids are read: about a second for 100,000.
    """
    newest = entry_ids(client, "XREVRANGE", stream, "+", "-", 1)
    if not newest or newest[0] < first:
        return Stretch(first, first, 0)
    end = newest[0] if last is None else min(last, newest[0])
    n, start = 0, str(first)
    while page := entry_ids(client, "XRANGE", stream, start, str(end)):
        n += len(page)
        start = f"({page[-1]}"
    return Stretch(first, end, n)


def pages(
    client: redis.Redis, stream: str, part: Stretch, count: int, max_bytes: int
) -> Iterator[list[Entry]]:
    """Yield the part's entries in order; trimming meanwhile only makes it shorter.

    Up to `count` at a time, and about `max_bytes`, going by the size of those before.
    """
    start, n = str(part.first), min(count, FIRST)
    while page := entries(ask(client, "XRANGE", stream, start, str(part.last), "COUNT", n)):
        yield page
        average = sum(entry.size for entry in page) / len(page)
        n = max(1, min(count, int(max_bytes / average)))
        if page[-1].id == part.last:
            return
        start = f"({page[-1].id}"
