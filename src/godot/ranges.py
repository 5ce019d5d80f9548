"""Sets of sequence numbers as sorted, disjoint, inclusive ranges.

A producer's ten million numbers are a handful of ranges, so the audit's arithmetic costs nothing;
every function is one merge over its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Ranges: TypeAlias = Sequence[Range]


def union(*sets: Iterable[Range]) -> list[Range]:
    """Return every number that is in any of the sets; they need not be sorted or disjoint."""
    found: list[Range] = []
    for low, high in sorted(item for one in sets for item in one):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def minus(one: Ranges, other: Ranges) -> list[Range]:
    """Return the numbers of `one` that are not in `other`; both sorted and disjoint."""
    return list(_minus(one, other))


def _minus(one: Ranges, other: Ranges) -> Iterator[Range]:
    taken = iter(other)
    hole = next(taken, None)
    for low, high in one:
        at = low
        while hole is not None and hole[1] < at:
            hole = next(taken, None)
        while hole is not None and hole[0] <= high:
            if hole[0] > at:
                yield at, hole[0] - 1
            at = hole[1] + 1
            if at > high:
                break
            hole = next(taken, None)
        if at <= high:
            yield at, high


def common(one: Ranges, other: Ranges) -> list[Range]:
    """Return the numbers that are in both."""
    return minus(one, minus(one, other))


def count(one: Iterable[Range]) -> int:
    return sum(high - low + 1 for low, high in one)


def highest(*sets: Ranges) -> int:
    """Return the highest number in any of the sorted sets, 0 when all are empty."""
    return max((one[-1][1] for one in sets if one), default=0)
