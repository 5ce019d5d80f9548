"""The only place that knows what replies look like.

An entry without fields is one whose payload was trimmed while it was pending: XADD takes no empty
entry, so nothing else looks like that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from godot.stream.ids import StreamID

_tuple = tuple.__new__  # what a NamedTuple's constructor calls, without the Python around it


class Entry(NamedTuple):
    """One stream entry; `raw` is empty when the payload is gone.

    `raw` is the payload as it came, name, value, name, value …: a name may stand there twice.
    `size` is its bytes, names included.
    """

    id: StreamID
    raw: Sequence[bytes]
    size: int = 0

    @property
    def trimmed(self) -> bool:
        return not self.raw

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The values by name, made at each call; of a repeated name the last."""
        parts = iter(self.raw)
        return dict(zip(parts, parts, strict=True))


def entries(raw: Sequence[Any] | None) -> list[Entry]:
    """Read entries, `[id, [name, value, …] or None]` each: the reply of XRANGE.

    All ids in a few steps: of what reading a batch takes this is a good part.
    """
    if not raw:
        return []
    texts, payloads = zip(*raw, strict=True)
    numbers = map(int, b"-".join(texts).decode("ascii").split("-"))
    ids = map(_tuple, repeat(StreamID), zip(numbers, numbers, strict=True))
    flat = [payload or () for payload in payloads]
    sizes = [sum(map(len, payload)) for payload in flat]
    return list(map(_tuple, repeat(Entry), zip(ids, flat, sizes, strict=True)))


def read_entries(raw: Mapping[bytes, Any] | None) -> list[Entry]:
    """Read the reply of XREAD or XREADGROUP over one key: a map, or nil when nothing came."""
    if not raw:
        return []
    return [entry for items in raw.values() for entry in entries(items)]


class Claimed(NamedTuple):
    """One page of XAUTOCLAIM JUSTID: where the next starts, what is ours, what has no payload."""

    cursor: StreamID
    ids: list[StreamID]
    purged: list[StreamID]


def claimed(raw: Any) -> Claimed:
    """Read the three elements of XAUTOCLAIM … JUSTID."""
    cursor, ids, *rest = raw
    purged = rest[0] if rest else []
    return Claimed(
        StreamID.parse(cursor),
        [StreamID.parse(i) for i in ids],
        [StreamID.parse(i) for i in purged],
    )
