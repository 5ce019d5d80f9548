"""Numbers become ranges, and ranges are exactly the numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import Batch, Dropped, EntryRun, Reject, Source
from dewey_logs.ledger import Entry, dropped_entries, entries, parameters, ranges


@given(st.lists(st.integers(1, 60)))
def test_ranges_hold_exactly_the_numbers_and_never_touch(numbers):
    found = ranges(numbers)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(set(numbers))
    assert all(a[1] + 1 < b[0] for a, b in pairwise(found))


def reject(producer: int | None, sequence: int | None, ms: int = 0) -> Reject:
    return Reject(ms.to_bytes(6) + bytes(10), "", Source("1-1", ()), None, producer, sequence)


def test_each_producer_has_one_entry_and_foreign_records_none():
    pairs = [(7, 3), (5, 1), (7, 4), (None, None), (7, 9), (5, None)]
    found = entries("stored", (reject(*pair, 1_000 + n) for n, pair in enumerate(pairs)))
    assert found == [
        Entry(5, "stored", "{[1,1]}", 1_001),
        Entry(7, "stored", "{[3,4],[9,9]}", 1_000),
    ]


@given(st.permutations([1_500, 2_000, 9_000]))
def test_a_number_given_out_twice_is_as_old_as_the_first_time(times):
    (found,) = entries("stored", (reject(7, 3, ms) for ms in times))
    assert found == Entry(7, "stored", "{[3,3]}", 1_500)


def test_receipts_keep_only_what_a_producer_can_have():
    found = dropped_entries([Dropped(1, ((3, 9), (9, 3), (0, 1))), Dropped(2, ((-1, 0),))])
    assert found == [Entry(1, "dropped", "{[3,9]}")]


def test_the_stream_is_named_only_when_there_is_something_to_say_about_it():
    run = EntryRun((1, 2), (3, 4), 5)
    assert parameters(Batch(stream="s"), [])["stream"] is None
    assert parameters(Batch(stream="s", runs=(run,)), [])["stream"] == "s"
    assert parameters(Batch(stream="s", entries_added=0), [])["stream"] == "s"
