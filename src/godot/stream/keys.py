"""Every Redis key, in one place: all of them are made from the stream's name."""

from __future__ import annotations


def stream_key(name: str, shard: int = 0, shards: int = 1) -> str:
    """Return the key of one shard; a single one keeps the plain name."""
    return name if shards == 1 else f"{name}:{{{shard}}}"


def producers_key(stream: str) -> str:
    """Return the hash in which producers announce what they have sent."""
    return f"{stream}:producers"


def levels_key(stream: str) -> str:
    """Return the hash of levels set from outside, which is also the channel that tells of it."""
    return f"{stream}:levels"
