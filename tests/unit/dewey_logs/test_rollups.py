"""What one writer knows about patterns: told once a day, since maintenance may remove them."""

from __future__ import annotations

from dewey_logs.rollups import Rollups
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
