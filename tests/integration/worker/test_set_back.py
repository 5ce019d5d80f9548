"""A stream that comes back in an older state: its life goes on, and the account stays right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dewey_logs import Batch, SetBack, WriteResult
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.setback import Readings
from tests.integration.worker.conftest import Bench, eventually


@contextmanager
def taken_back(bench: Bench) -> Iterator[None]:
    """Give the stream back, groups and all, as it was before what is done meanwhile."""
    dump: Any = bench.redis.dump(bench.settings.stream)
    yield
    bench.redis.restore(bench.settings.stream, 0, dump, replace=True)


def settle(bench: Bench, working) -> None:
    with working(bench.settings):
        eventually(bench.settled, "everything settled")


def lives(bench: Bench) -> int:
    return bench.sql("SELECT max(epoch) FROM logs_streams")[0][0]


@pytest.mark.parametrize("new", [3, 5, 8])
def test_what_was_stored_and_taken_back_is_no_loss(bench: Bench, working, new: int):
    """No worker saw it happen, and none has a memory of before."""
    bench.append(bench.records(300))
    settle(bench, working)
    with taken_back(bench):
        bench.append(bench.records(5))
        settle(bench, working)
    assert bench.audited().clean, "nothing came afterwards"
    bench.append(bench.records(new))
    before = bench.audited()
    assert before.clean, "no worker has seen it"
    settle(bench, working)
    found = bench.audited()
    assert (found.total.stored, found.total.lost, found.total.unaccounted) == (305 + new, 0, 0)
    assert found.entries.added == found.entries.settled == 305 + new
    assert (found.clean, lives(bench)) == (True, 1)


def test_a_worker_that_lives_on_tells_of_what_it_settled_itself(bench: Bench, working):
    with working(bench.settings):
        bench.append(bench.records(50))
        eventually(bench.settled, "the first records")
        for _ in range(2):
            with taken_back(bench):
                bench.append(bench.records(7))
                eventually(bench.settled, "what will be taken back")
            bench.append(bench.records(10))
            eventually(bench.settled, "what came afterwards")
    found = bench.audited()
    assert (found.total.stored, found.entries.added, found.entries.settled) == (84, 84, 84)
    assert found.clean


def test_an_older_state_yet_takes_back_what_came_after_a_younger_one(bench: Bench, working):
    bench.append(bench.records(20))
    settle(bench, working)
    with taken_back(bench):
        bench.append(bench.records(20))
        settle(bench, working)
        with taken_back(bench):
            bench.append(bench.records(4))
            settle(bench, working)
        bench.append(bench.records(6))
        settle(bench, working)
    bench.append(bench.records(2))
    settle(bench, working)
    found = bench.audited()
    assert (found.total.stored, found.entries.added, found.clean) == (52, 52, True)


def test_what_is_delivered_again_after_a_setback_counts_once(bench: Bench, working):
    """The group came back older, too: in one batch with what is new, so that runs overlap."""
    bench.append(bench.records(30))
    settle(bench, working)
    bench.append(bench.records(10))
    with taken_back(bench):
        settle(bench, working)
        bench.append(bench.records(5))
        settle(bench, working)
    bench.append(bench.records(8))
    settle(bench, working)
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.entries.added) == (53, 10, 53)
    assert found.clean


def test_what_was_counted_and_taken_back_unsettled_is_lost(bench: Bench, working):
    bench.append(bench.records(40))
    settle(bench, working)
    with taken_back(bench):
        bench.append(bench.records(5))
        settle(bench, working)
        bench.append(bench.records(12))
        bench.change("UPDATE logs_streams SET entries_added = entries_added + 12")
        last = bench.redis.xinfo_stream(bench.settings.stream)["last-generated-id"].decode()
        ms, seq = last.split("-")
        bench.change(f"UPDATE logs_streams SET last_ms = {ms}, last_seq = {seq}")
    bench.append(bench.records(20))
    settle(bench, working)
    found = bench.audited()
    assert (found.total.stored, found.total.lost, found.total.unaccounted) == (65, 12, 0)
    assert [(r.first, r.last) for r in found.ranges] == [(46, 57)]
    assert found.entries.lost == 12


def test_what_is_trimmed_unread_after_a_setback_is_lost_to_the_entry(bench: Bench, working):
    for _ in range(40):  # foreign ones: only the count of entries bears witness
        bench.add_raw(component="c", level="INFO", message="m")
    settle(bench, working)
    with taken_back(bench):
        bench.append(bench.records(5))
        settle(bench, working)
    bench.append(bench.records(8))
    settle(bench, working)
    for _ in range(9):
        bench.add_raw(component="c", level="INFO", message="m")
    bench.redis.xtrim(bench.settings.stream, maxlen=2, approximate=False)
    settle(bench, working)
    found = bench.audited()
    assert (found.entries.lost, found.total.lost, found.total.unaccounted) == (7, 7, 0)


def test_a_reading_from_before_that_is_committed_last_is_told_of_too(bench: Bench):
    client = connect(bench.settings)
    consumer = Consumer(client, bench.settings.stream, bench.settings.group, "x:1:x")
    told: list[SetBack] = []

    def tell(found: SetBack) -> bool:
        told.append(found)
        return True

    readings = Readings(consumer, tell)
    bench.append(bench.records(8))
    with taken_back(bench):
        bench.append(bench.records(2))
        before = consumer.progress()
    bench.append(bench.records(3))
    for progress in (consumer.progress(), before):
        assert progress is not None
        read = Batch(
            stream=bench.settings.stream,
            entries_added=progress.added,
            last_generated=progress.last_generated,
        )
        readings.committed(read, WriteResult(stored=0))
    readings.check()
    assert [(found.known.added, found.added) for found in told] == [(10, 8)]
    close(client)


def test_an_entry_that_a_person_deletes_is_no_setback(bench: Bench, working):
    bench.append(bench.records(10))
    settle(bench, working)
    last = bench.redis.xinfo_stream(bench.settings.stream)["last-generated-id"]
    bench.redis.xdel(bench.settings.stream, last)
    bench.append(bench.records(3))
    settle(bench, working)
    bench.append(bench.records(3))
    settle(bench, working)
    assert bench.sql("SELECT FROM logs_setbacks") == []
    assert bench.audited().clean


def test_a_stream_that_was_missed_and_restored_older_goes_on(bench: Bench, working):
    bench.append(bench.records(100))
    settle(bench, working)
    dump: Any = bench.redis.dump(bench.settings.stream)
    bench.append(bench.records(5))
    settle(bench, working)
    bench.redis.delete(bench.settings.stream)
    with working(bench.settings) as worker:
        eventually(lambda: worker.ready()["redis"], "the worker to make it again")
    bench.redis.restore(bench.settings.stream, 0, dump, replace=True)
    bench.append(bench.records(3))
    settle(bench, working)
    found = bench.audited()
    assert (found.total.stored, found.entries.added, found.clean) == (108, 108, True)
    assert lives(bench) == 1
