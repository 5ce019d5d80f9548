"""Making room in a Redis that is full.

At maxmemory XADD is refused before its own MAXLEN would trim anything, so a full server does not
heal by itself. XTRIM is still allowed: whoever reads the stream removes what is settled already,
and nothing else. Settled means: before the first pending entry of every group, and before whatever
a group has not been given yet.
"""

from __future__ import annotations

import redis

from godot.errors import StreamLost
from godot.stream.connection import ask, told
from godot.stream.ids import StreamID

FULL_RATIO = 0.9


def is_high(client: redis.Redis) -> bool | None:
    """Say whether the server is close to its memory limit; None when it does not tell us."""
    memory = told(client, "memory")
    if not memory:
        return None
    limit = int(memory["maxmemory"])
    return limit > 0 and int(memory["used_memory"]) >= FULL_RATIO * limit


def settled_before(client: redis.Redis, stream: str, needed: str | None = None) -> StreamID | None:
    """Return the id before which every entry is settled for every group.

    None without a group, or without the one that is `needed`.
    """
    try:
        groups = ask(client, "XINFO", "GROUPS", stream)
    except StreamLost:
        return None
    if needed is not None and needed.encode() not in [group[b"name"] for group in groups]:
        return None
    floors = []
    for group in groups:
        pending = ask(client, "XPENDING", stream, group[b"name"])
        if pending and pending[0]:
            floors.append(StreamID.parse(pending[1]))
        else:
            floors.append(StreamID.parse(group[b"last-delivered-id"]).next())
    return min(floors) if floors else None


def trim_settled(client: redis.Redis, stream: str, group: str) -> int:
    """Remove the entries that every group has settled; return how many.

    Nothing while `group`, which is ours, does not exist: it will want everything.
    """
    floor = settled_before(client, stream, group)
    return 0 if floor is None else _trim_before(client, stream, floor)


def trim_stored(client: redis.Redis, stream: str, last_stored: StreamID) -> int:
    """Remove entries up to `last_stored` that no group waits for; return how many.

    For a stream whose own group could not be made: other groups count all the same.
    """
    floor = settled_before(client, stream)
    upto = last_stored.next()
    return _trim_before(client, stream, upto if floor is None else min(floor, upto))


def _trim_before(client: redis.Redis, stream: str, floor: StreamID) -> int:
    return int(ask(client, "XTRIM", stream, "MINID", "=", str(floor)))
