"""What one writer knows about patterns: told once a day, since maintenance may remove them."""

from __future__ import annotations

from dewey_logs.rollups import MOST_KNOWN, Rollups, Template
from dewey_logs.rows import LogRow, Source


def test_a_pattern_is_told_again_on_another_day():
    """Also by a writer that was not needed for weeks."""
    source = Source("1-1", ())
    row = LogRow(b"1" * 16, 0, "shop", "INFO", "took 5 ms", None, None, None, None, source)
    known = Rollups()
    patterns = known.patterns([row])
    first = known.unknown([row], patterns, 1)
    assert [new.template for new in first] == ["took <*> ms"]
    known.told(first)
    assert known.unknown([row], patterns, 1) == []
    assert known.unknown([row], patterns, 30) == first


def test_a_writer_whose_every_message_is_a_pattern_of_its_own_does_not_grow():
    row = LogRow(b"1" * 16, 0, "shop", "INFO", "a", None, None, None, None, Source("1-1", ()))
    known = Rollups()
    numbers = iter(range(10 * MOST_KNOWN))
    known.unknown([row], {row.id: 0}, 1)
    for _ in range(3 * MOST_KNOWN // 1_000):
        known.told([Template(next(numbers), "a", row) for _ in range(1_000)])
    left = [n for n in range(next(numbers)) if not known.unknown([row], {row.id: n}, 1)]
    assert 0 < len(left) <= MOST_KNOWN + 1_000
