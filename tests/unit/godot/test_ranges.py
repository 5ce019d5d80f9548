from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from godot.ranges import common, count, highest, minus, union

number_sets = st.sets(st.integers(1, 60))


def ranged(numbers: set[int]) -> list[tuple[int, int]]:
    return union((n, n) for n in numbers)


def spread(ranges: list[tuple[int, int]]) -> set[int]:
    return {n for low, high in ranges for n in range(low, high + 1)}


def sound(ranges: list[tuple[int, int]]) -> bool:
    """Say whether ranges are sorted, disjoint and not adjacent."""
    return all(a[1] + 1 < b[0] for a, b in itertools.pairwise(ranges))


@given(number_sets, number_sets)
def test_arithmetic_agrees_with_sets(a: set[int], b: set[int]):
    one, other = ranged(a), ranged(b)
    for ours, theirs in (
        (union(one, other), a | b),
        (minus(one, other), a - b),
        (common(one, other), a & b),
    ):
        assert spread(ours) == theirs
        assert sound(ours)
        assert count(ours) == len(theirs)
    assert highest(one, other) == max(a | b, default=0)


def test_overlapping_and_adjacent_input_becomes_one_range():
    assert union([(5, 9), (1, 4)], [(3, 7), (10, 10)]) == [(1, 10)]


def test_a_hole_in_the_middle_splits():
    assert minus([(1, 10)], [(4, 5), (9, 20)]) == [(1, 3), (6, 8)]
