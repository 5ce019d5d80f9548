"""Halving finds every bad item, stores every other one, and does not take long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dewey_logs.copydata import RowRefused
from dewey_logs.isolate import isolate


class Table:
    """Takes all of a part or none of it, as a savepoint does."""

    def __init__(self, bad):
        self.bad = bad
        self.attempts = 0
        self.sent = 0

    def attempt(self, part):
        self.attempts += 1
        self.sent += len(part)
        if self.bad.intersection(part):
            raise RowRefused("bad")
        return part


@given(st.integers(0, 200), st.sets(st.integers(0, 200)))
def test_every_item_is_stored_or_refused_in_order(count, bad):
    stored, refused = isolate(range(count), Table(bad).attempt)
    assert stored == [n for n in range(count) if n not in bad]
    assert [item for item, _ in refused] == [n for n in range(count) if n in bad]


def test_one_bad_row_among_a_thousand_costs_about_twice_the_batch():
    table = Table({500})
    isolate(range(1_000), table.attempt)
    assert table.attempts <= 21
    assert table.sent <= 3_000


def test_nothing_to_store_attempts_nothing():
    table = Table(set())
    assert isolate([], table.attempt) == ([], [])
    assert table.attempts == 0
