from __future__ import annotations

import itertools
import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlib.buffer import BUFFER_FULL, TOO_LARGE, Drops, Intake, merged
from clientlib.framing import Snapshot, Source
from clientlib.redaction import STANDARD

SOURCE = Source("api", STANDARD)


def snapshot(level: int = 20, message: str = "m") -> Snapshot:
    return (level, 1, SOURCE, None, None, message, b"", None)


def intake(max_records: int = 10, max_bytes: int = 1_000) -> Intake:
    return Intake(max_records, max_bytes, lambda: None)


def test_records_come_out_in_the_order_they_went_in():
    queue = intake()
    for text in "abc":
        queue.put(snapshot(message=text), 1)
    assert [taken[5] for taken in queue.take(2)] == ["a", "b"]
    assert [taken[5] for taken in queue.take(2)] == ["c"]


def test_who_counts_what_is_queued_while_it_is_taken_counts_too_much_not_too_little():
    queue = intake()
    counted = []

    class Watched(deque[Snapshot | None]):
        def popleft(self):
            counted.append(len(self) + queue.taken)
            return super().popleft()

    queue.queue = Watched(snapshot() for _ in range(4))
    assert len(queue.take(4)) == 4
    assert min(counted) >= 4


def test_what_another_thread_takes_meanwhile_takes_nothing_along():
    queue = intake()

    class Shared(deque[Snapshot | None]):
        def popleft(self):
            found = super().popleft()
            self.clear()
            return found

    queue.queue = Shared(snapshot() for _ in range(4))
    assert len(queue.take(4)) == 1
    assert queue.taken == 1


def test_a_start_that_is_interrupted_is_made_up_for_by_the_next_record():
    def start() -> None:
        raise KeyboardInterrupt

    queue = Intake(10, 1_000, start)
    with pytest.raises(KeyboardInterrupt):
        queue.wake()
    assert queue.idle


def test_the_last_fifth_is_for_warnings_and_errors():
    queue = intake()
    for _ in range(12):
        queue.put(snapshot(20), 1)
    assert len(queue.queue) == 8
    for _ in range(12):
        queue.put(snapshot(30), 1)
    assert len(queue.queue) == 10
    assert queue.refusals() == [(BUFFER_FULL, 14)]


def test_a_large_record_takes_as_many_slots_as_its_bytes():
    queue = intake(max_records=10, max_bytes=1_000)
    queue.put(snapshot(40, "large"), 650)
    queue.put(snapshot(40, "more"), 350)
    assert queue.refusals() == [(BUFFER_FULL, 1)]
    queue.put(snapshot(40, "fits"), 299)
    assert len(queue.queue) == 10
    assert [taken[5] for taken in queue.take(100)] == ["large", "fits"]
    assert queue.taken == 10


def test_a_record_larger_than_the_whole_buffer_is_refused_as_such():
    queue = intake(max_records=10, max_bytes=1_000)
    queue.put(snapshot(), 1_000)
    assert queue.refusals() == [(TOO_LARGE, 1)]


@given(st.lists(st.tuples(st.sampled_from([20, 40]), st.integers(0, 500)), max_size=60))
def test_neither_bound_is_ever_exceeded(records):
    queue = intake(max_records=10, max_bytes=1_000)
    accepted = []
    for level, size in records:
        before = len(queue.queue)
        queue.put(snapshot(level), size)
        if len(queue.queue) > before:
            accepted.append(size)
    assert len(accepted) <= 10
    assert sum(accepted) <= 1_000
    assert len(accepted) + sum(n for _, n in queue.refusals()) == len(records)


def test_refusals_are_told_once():
    queue = intake(max_records=1)
    for _ in range(3):
        queue.put(snapshot(), 1)
    assert queue.refusals() == [(BUFFER_FULL, 2)]
    assert queue.refusals() == []
    queue.refuse(BUFFER_FULL)
    assert queue.refusals() == [(BUFFER_FULL, 1)]


def test_no_refusal_is_lost_among_threads():
    queue = intake()
    stop = threading.Event()
    found = []

    def refuse():
        for _ in range(5_000):
            queue.refuse(BUFFER_FULL)

    def read():
        while not stop.is_set():
            found.extend(queue.refusals())

    threads = [threading.Thread(target=refuse) for _ in range(4)]
    reader = threading.Thread(target=read)
    reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    found.extend(queue.refusals())
    assert sum(n for _, n in found) == 20_000


def test_the_sender_is_started_by_the_first_wake_and_woken_by_the_next():
    started = []
    queue = Intake(10, 1_000, lambda: started.append(1))
    before = queue.idle
    queue.wake()
    assert started == [1]
    assert (before, queue.idle) == (True, False)
    queue.wait(60)  # returns at once: the bell rang before
    queue.wake()
    queue.wake()  # a second one is no error
    queue.linger(60)


def test_waiting_ends_at_once_when_something_came_in_between():
    queue = intake()
    queue.put(snapshot(), 1)
    queue.wait(60)
    assert not queue.idle


RANGES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair)))
)


def test_after_a_wait_in_vain_the_next_record_still_wakes():
    queue = intake()
    queue.wait(0)
    assert queue.idle
    queue.put(snapshot(), 1)
    queue.wait(0)
    assert not queue.idle


@given(RANGES)
def test_merged_ranges_are_the_same_numbers(ranges):
    found = merged(ranges)
    numbers = sorted({n for first, last in ranges for n in range(first, last + 1)})
    assert [n for first, last in found for n in range(first, last + 1)] == numbers
    assert all(b[0] > a[1] + 1 for a, b in itertools.pairwise(found))


def test_drops_are_told_by_reason_and_counted_for_good():
    drops = Drops()
    for n in (5, 6, 7, 1, 2):
        drops.add("full", n, n)
    drops.add("large", 9, 9)
    assert drops.take(10) == ("full", [(1, 2), (5, 7)])
    assert drops.take(10) == ("large", [(9, 9)])
    assert drops.take(10) is None
    assert not drops
    assert drops.totals == {"full": 5, "large": 1}


def test_many_ranges_are_told_in_several_receipts():
    drops = Drops()
    for n in range(1, 12, 2):
        drops.add("full", n, n)
    assert drops.take(4) == ("full", [(1, 1), (3, 3), (5, 5), (7, 7)])
    assert drops.take(4) == ("full", [(9, 9), (11, 11)])


def test_what_is_told_again_is_not_counted_again():
    drops = Drops()
    drops.add("full", 1, 3)
    assert drops.take(9)
    drops.add("full", 1, 3, again=True)
    assert drops.total == 3
    assert drops.take(9) == ("full", [(1, 3)])


def test_a_million_drops_one_by_one_take_no_room():
    drops = Drops()
    for n in range(1, 100_001):
        drops.add("full", n, n)
    for n in range(300_000, 200_000, -2):
        drops.add("full", n, n)
        drops.add("full", n - 1, n - 1)
    assert len(drops._ranges["full"]) <= 1_001
    assert drops.take(9) == ("full", [(1, 100_000), (200_001, 300_000)])
