"""What workers, queries and the owner do with the store, each with no more rights than it has.

Every deed goes through the public names and raises when a right is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from dewey_logs import (
    Batch,
    EntryRun,
    LogFilter,
    Retried,
    SchemaProblem,
    Store,
    open_store,
)
from dewey_logs.deadletters import DeadLetterFilter
from dewey_logs.layout import Layout
from dewey_logs.maintenance import maintain, verify
from dewey_logs.migrations import check, migrate
from dewey_logs.partitions import partitions
from dewey_logs.rows import Checkpoint, Dropped, SetBack
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, reject

Deed = Callable[[Store, Maker], None]


def new_records(store: Store, maker: Maker) -> None:
    run = EntryRun((maker.now_us, 0), (maker.now_us, 2), 3)
    more = {"entries_added": 3, "last_generated": (maker.now_us, 2), "floor": (1, 0)}
    assert store.write(batch(maker.rows(3), runs=(run,), **more)).stored == 3


def records_that_are_known(store: Store, maker: Maker) -> None:
    rows = maker.rows(3)
    assert store.write(batch(rows)).stored == 3
    assert store.write(batch(rows)).duplicates == 3, "found out by the unique key"
    assert store.write(batch(rows, maybe_known=True)).duplicates == 3


def a_record_that_is_refused(store: Store, maker: Maker) -> None:
    rows = [*maker.rows(2), maker.row(component="x" * 200)]
    result = store.write(batch(rows))
    assert (result.stored, len(result.rejects)) == (2, 1)


def moved_records(store: Store, maker: Maker) -> None:
    row = maker.row()
    copy = maker.moved(row, maker.now_us + 5)
    assert store.write(batch([copy])).stored == 1
    assert store.write(batch([row])).duplicates == 1
    assert store.write(batch([copy], maybe_known=True)).duplicates == 1


def distant_day() -> str:
    """Return the name of the day that `a_day_that_is_missing` is about."""
    return f"logs_{datetime.now(UTC) + timedelta(days=20):%Y%m%d}"


def a_day_that_is_missing(store: Store, maker: Maker) -> None:
    assert store.write(batch([maker.row(created_at_us=maker.now_us + 20 * DAY_US)])).stored == 1


def dead_letters_tried_again(store: Store, maker: Maker) -> None:
    rows = maker.rows(2)
    bad = [reject(row.id, producer=row.producer, sequence=row.sequence) for row in rows]
    store.write(batch([], rejects=tuple(bad)))
    mended = Retried(rows[0].id, rows[0].id)
    still_bad = Retried(rows[1].id, rows[1].id)
    store.write(batch(rows[:1], rejects=(bad[1],), retried=(mended, still_bad)))
    assert store.drop_dead_letters([str(UUID(bytes=rows[1].id))]) == 1


def a_replay_that_heeds_clears(store: Store, maker: Maker) -> None:
    assert store.write(batch(maker.rows(1), heed_clears=True, maybe_known=True)).stored == 1


def drop_receipts(store: Store, maker: Maker) -> None:
    store.write(batch([], dropped=(Dropped(maker.producer, ((900, 909),)),)))


def a_group_that_began_anew(store: Store, maker: Maker) -> None:
    again = Batch(stream="anew", runs=(EntryRun((maker.now_us, 0), (maker.now_us, 0), 1),))
    store.write(again)
    store.write(again)


def a_stream_that_is_gone(store: Store, maker: Maker) -> None:
    run = EntryRun((maker.now_us, 0), (maker.now_us, 0), 1)
    stream = f"gone-{maker.now_us}"
    store.write(Batch(stream=stream, runs=(run,)))
    assert store.stream_gone(stream, maker.now_us + 1)


def a_stream_that_came_back_older(store: Store, maker: Maker) -> None:
    now, stream = maker.now_us, f"older-{maker.now_us}"
    run = EntryRun((now, 0), (now, 0), 1)
    store.write(Batch(stream=stream, runs=(run,), entries_added=9, last_generated=(now, 0)))
    known, later = Checkpoint(9, (now, 0)), Checkpoint(8, (now + 1, 0))
    assert store.set_back(SetBack(stream, known, (now - 1, 0), (now + 1, 0), 7, later))


def housekeeping(store: Store, maker: Maker) -> None:
    store.check()
    store.ping()
    assert store.window().back_seconds > 0
    store.balanced_producers("test", {maker.producer: 1}, 0.0)


def levels_to_pass_on(store: Store, maker: Maker) -> None:
    store.levels()


WRITING: tuple[Deed, ...] = (
    levels_to_pass_on,
    new_records,
    records_that_are_known,
    a_record_that_is_refused,
    moved_records,
    a_day_that_is_missing,
    dead_letters_tried_again,
    a_replay_that_heeds_clears,
    drop_receipts,
    a_group_that_began_anew,
    a_stream_that_is_gone,
    a_stream_that_came_back_older,
    housekeeping,
)


def work(url: str, producer: int = 77) -> None:
    """Do everything that a worker does, with its login alone."""
    maker = Maker(producer)
    with open_store(url) as store:
        for deed in WRITING:
            deed(store, maker)


def what_lacks_a_right(url: str, producer: int, order: Sequence[Deed]) -> Deed | None:
    """Do what a worker does in this order, as far as its rights go; return what needs more."""
    maker = Maker(producer)
    with open_store(url) as store:
        for deed in order:
            try:
                deed(store, maker)
            except SchemaProblem as exc:
                if "lacks a right" not in str(exc):
                    raise
                return deed
    return None


def read(store: Store) -> int:
    """Ask everything that can be asked; return how many records a query found."""
    now = datetime.now(UTC)
    store.ping()
    store.window()
    assert store.totals().partitions > 0
    producers = store.active_producers(now - timedelta(days=1))
    store.balanced_producers("test", dict.fromkeys(producers, 1), 0.0)
    store.accounts("test", (1, 0), 120.0)
    store.neighbours([(producer, 2, 2) for producer in producers])
    store.contents()
    store.dead_letter_reasons()
    store.dead_letters(DeadLetterFilter(state=None))
    wanted = LogFilter(
        search="message",
        contains="message",
        regex="message",
        component=("shop.*",),
        level="INFO",
        data={},
        order="asc",
    )
    assert store.query(wanted).returned > 0
    return store.query(LogFilter(since="2d")).matched


def keep_house(owner_url: str) -> None:
    """Do everything that the owner does."""
    assert migrate(owner_url) == check(owner_url) == []
    maintain(owner_url, 7, 2**40, Layout(search_index="live", partition_interval="1d"))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("DELETE FROM logs WHERE message = 'message 1'")
    with open_store(owner_url) as store:
        wanted = store.plan_clear(LogFilter(search="message", since="1h")).filter
        assert store.clear(wanted, asked_by="a test").records > 0
        store.clear(LogFilter(until="today"), asked_by="a test")
    dropped = maintain(owner_url, 1).dropped
    assert dropped
    assert {part.name for part in partitions(owner_url)}.isdisjoint(dropped)
    list(verify(owner_url))
