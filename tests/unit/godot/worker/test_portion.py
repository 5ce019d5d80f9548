"""How many records are written at once follows from what took too long and what did not."""

from __future__ import annotations

from collections.abc import Callable

from godot.worker.portion import Portion


def test_what_was_too_long_is_halved_down_to_one_record():
    portion = Portion(1_000)
    seen = []
    while portion.records > 1:
        portion.too_slow(portion.records, 17.0)
        seen.append(portion.records)
    portion.too_slow(1, 17.0)
    assert [*seen, portion.records] == [500, 250, 125, 62, 31, 15, 7, 3, 1, 1]


def test_an_older_and_larger_batch_that_fails_later_makes_it_no_larger():
    portion = Portion(1_000)
    portion.too_slow(100, 17.0)
    portion.too_slow(1_000, 17.0)
    assert portion.records == 50


def settled_at(seconds_of: Callable[[int], float]) -> tuple[int, int]:
    """Return how many records are written at once in the end, and how many tries were in vain."""

    portion, in_vain = Portion(1_000), 0
    for _ in range(200):
        records, seconds = portion.records, seconds_of(portion.records)
        if seconds > 17.0:
            in_vain += 1
            portion.too_slow(records, 17.0)
        else:
            portion.stored(records, seconds)
    return portion.records, in_vain


def test_as_long_as_the_store_is_slow_nothing_is_tried_in_vain_again():
    assert settled_at(lambda records: 0.025 * records) == (500, 1)
    assert settled_at(lambda records: 0.3 * records) == (31, 5)
    assert settled_at(lambda records: 10 + 0.02 * records) == (250, 2)
    assert settled_at(lambda records: 4 + 0.0001 * records) == (1_000, 0)
    assert settled_at(lambda records: 0.00002 * records**2) == (500, 1)  # slower with every record


def test_once_the_store_is_quick_whole_batches_are_written_again_within_a_few():
    portion = Portion(1_000)
    portion.too_slow(2, 17.0)
    grown = [portion.stored(portion.records, 0.003) for _ in range(10)]
    assert grown == [False] * 9 + [True]
    assert portion.whole
    assert not portion.stored(1_000, 0.1), "said once"


def test_a_commit_that_takes_long_by_itself_keeps_no_portion_small():
    portion = Portion(1_000)
    portion.too_slow(2, 17.0)
    assert any(portion.stored(portion.records, 4.0) for _ in range(10))


def test_one_record_now_and_then_is_enough_to_tell():
    portion = Portion(1_000)
    portion.too_slow(1_000, 17.0)
    assert portion.stored(1, 0.003)


def test_what_holds_no_record_tells_nothing():
    portion = Portion(1_000)
    portion.too_slow(1_000, 17.0)
    assert not portion.stored(0, 0.0)
    assert portion.records == 500
