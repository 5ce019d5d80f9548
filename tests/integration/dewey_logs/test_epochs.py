"""The ledger of entries: which stream, which life of it, and numbers as large as Redis has."""

from __future__ import annotations

import threading

import msgspec

from dewey_logs import Batch, Checkpoint, EntryRun, SetBack, open_store
from tests.integration.dewey_logs.conftest import batch, eventually


def settled(added, last_ms, first=None, delivery="new"):
    """A batch of entries that ends at `last_ms`, read when the stream had added so many."""
    run = EntryRun((first or last_ms, 0), (last_ms, 0), 1, delivery)
    last = None if last_ms is None else (last_ms, 0)
    return Batch(stream="s", runs=(run,), entries_added=added, last_generated=last)


def epochs(database):
    return [row[0] for row in database.rows("SELECT epoch FROM logs_ledger_entries ORDER BY at")]


def checkpoint(database):
    return database.rows("SELECT epoch, entries_added, last_ms::bigint FROM logs_streams")


def test_entries_are_kept_as_runs_with_their_delivery(store, database, maker):
    runs = (EntryRun((5, 1), (9, 2), 40), EntryRun((3, 0), (3, 0), 1, delivery="again"))
    store.write(batch(maker.rows(2), runs=runs, entries_added=41, last_generated=(9, 2)))
    assert database.rows(
        "SELECT stream, epoch, delivery, first_ms::int, first_seq::int, last_ms::int,"
        " last_seq::int, n, added FROM logs_ledger_entries ORDER BY n DESC"
    ) == [("test", 1, "new", 5, 1, 9, 2, 40, 41), ("test", 1, "again", 3, 0, 3, 0, 1, 41)]


def test_ids_of_64_unsigned_bits_are_kept_exactly(store, database):
    top = 2**64 - 1
    store.write(
        Batch(
            stream="s",
            runs=(EntryRun((top - 1, top), (top, top), 2),),
            entries_added=2**62,
            last_generated=(top, top),
        )
    )
    assert database.rows("SELECT first_ms, last_seq FROM logs_ledger_entries") == [(top - 1, top)]
    assert database.rows("SELECT last_ms, last_seq FROM logs_streams") == [(top, top)]


def test_a_batch_without_a_reading_belongs_to_the_present_epoch(store, database):
    store.write(Batch(stream="s", runs=(EntryRun((1, 0), (1, 0), 1),)))
    store.write(settled(10, 100))
    store.write(settled(2, 200))
    store.write(Batch(stream="s", runs=(EntryRun((7, 0), (7, 0), 1),)))
    assert epochs(database) == [1, 1, 2, 2]


def test_the_checkpoint_follows_the_stream_and_never_falls(store, database):
    for added, last_ms in ((10, 100), (30, 300), (20, 200)):
        store.write(settled(added, last_ms))
    assert checkpoint(database) == [(1, 30, 300)]
    assert epochs(database) == [1, 1, 1]


def test_batches_committed_in_another_order_than_read_begin_no_epoch(dewey_url, database):
    """Two workers: the one that read first commits last, and has the later entries."""
    with open_store(dewey_url) as one, open_store(dewey_url) as two:
        two.write(settled(110, 1_100, first=1_001))
        one.write(settled(100, 1_000, first=1_006))
    assert epochs(database) == [1, 1]
    assert database.one("SELECT count(*) FROM logs_epochs") == 0


def test_a_stream_made_again_begins_an_epoch_and_what_it_had_is_kept(store, database):
    store.write(settled(1_000, 5_000))
    store.write(settled(3, 6_000))
    store.write(settled(8, 7_000))
    assert epochs(database) == [1, 2, 2]
    assert checkpoint(database) == [(2, 8, 7_000)]
    assert database.rows(
        "SELECT stream, epoch, entries_added, last_ms::int, began_at < ended_at FROM logs_epochs"
    ) == [("s", 1, 1_000, 5_000, True)]


def test_a_batch_of_the_old_stream_committed_late_belongs_to_the_old_epoch(store, database):
    store.write(settled(1_000, 5_000))
    store.write(settled(3, 6_000))
    store.write(settled(1_010, 5_010))  # read before the deletion, by a slow worker
    store.write(settled(1_005, 5_005))  # before that even, and committed by its other connection
    store.write(settled(990, 4_990))
    store.write(settled(2, 5_990))  # an older reading of the new stream
    assert epochs(database) == [1, 2, 1, 1, 1, 2]
    assert database.rows("SELECT entries_added FROM logs_epochs") == [(1_010,)]
    assert checkpoint(database) == [(2, 3, 6_000)]


def test_what_is_committed_of_a_stream_before_the_first_one_known_gets_a_life(store, database):
    first = msgspec.structs.replace(settled(5, 200), first_entry=(150, 0), entries_present=5)
    for one in (first, settled(6, 100), settled(8, 120), settled(7, 110), settled(6, 210)):
        store.write(one)
    assert epochs(database) == [1, 0, 0, 0, 1]
    assert database.rows("SELECT epoch, entries_added FROM logs_epochs") == [(0, 8)]
    assert checkpoint(database) == [(1, 6, 210)]


def test_a_stream_trimmed_before_its_first_reading_may_be_older_than_that(store, database):
    first = msgspec.structs.replace(settled(5, 200), first_entry=(150, 0), entries_present=4)
    for one in (first, settled(3, 100)):
        store.write(one)
    assert epochs(database) == [1, 1]


def test_two_workers_that_notice_at_once_begin_one_epoch(dewey_url, database):
    with open_store(dewey_url) as store:
        store.write(settled(1_000, 5_000))
    barrier = threading.Barrier(4)

    def work(n):
        with open_store(dewey_url) as store:
            store.ping()
            barrier.wait()
            store.write(settled(3 + n, 6_000 + n))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(epochs(database)) == [1, 2, 2, 2, 2]
    assert database.one("SELECT count(*) FROM logs_epochs") == 1


def test_a_stream_that_overtook_the_old_one_is_told_by_how_much_it_holds(store, database):
    store.write(settled(22, 100))
    again = msgspec.structs.replace(settled(23, 300), first_entry=(208, 0), entries_present=16)
    store.write(again)
    assert checkpoint(database) == [(2, 23, 300)]


def test_a_stream_of_which_nothing_from_before_is_left_may_be_the_same(store, database):
    store.write(settled(22, 100))
    later = msgspec.structs.replace(settled(38, 300), first_entry=(208, 0), entries_present=16)
    store.write(later)
    assert checkpoint(database) == [(1, 38, 300)]


def test_nothing_left_from_before_is_enough_when_the_stream_was_found_gone(store, database):
    store.write(settled(22, 100))
    store.write(msgspec.structs.replace(settled(38, 300), first_entry=(208, 0)))
    assert checkpoint(database) == [(2, 38, 300)]


def test_a_batch_of_two_lives_ago_belongs_where_it_was_read(store, database):
    store.write(settled(50_000, 1_000))
    store.write(settled(300, 3_000))
    store.write(settled(5, 5_000))
    store.write(settled(50_100, 1_500))  # read in the first life after its last checkpoint
    assert epochs(database) == [1, 2, 3, 1]
    assert database.rows("SELECT epoch, entries_added FROM logs_epochs ORDER BY epoch") == [
        (1, 50_100),
        (2, 300),
    ]


def test_several_lives_are_told_apart(store, database):
    for life in range(1, 6):
        store.write(settled(100, life * 1_000))
        store.write(settled(200, life * 1_000 + 500))
    assert epochs(database) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert database.rows("SELECT epoch, entries_added FROM logs_epochs ORDER BY epoch") == [
        (n, 200) for n in range(1, 5)
    ]


def test_streams_do_not_mix(store, database):
    store.write(settled(1_000, 5_000))
    store.write(Batch(stream="other", runs=(EntryRun((9, 0), (9, 0), 1),), entries_added=1,
                      last_generated=(9_000, 0)))  # fmt: skip
    assert database.rows("SELECT stream, epoch FROM logs_streams ORDER BY 1") == [
        ("other", 1),
        ("s", 1),
    ]


def test_without_a_last_id_a_lower_count_alone_begins_an_epoch(store, database):
    store.write(Batch(stream="s", runs=(EntryRun((1, 0), (1, 0), 1),), entries_added=50))
    store.write(Batch(stream="s", runs=(EntryRun((2, 0), (2, 0), 1),), entries_added=5))
    assert epochs(database) == [1, 2]


def test_a_worker_stopped_inside_its_transaction_holds_up_nobody(dewey_url, database):
    with open_store(dewey_url) as store:
        store.write(settled(10, 100))
        with database.connection.transaction():
            database.connection.execute("SELECT dewey_epoch('s', 20, 200, 0)")
            store.write(settled(30, 300))
        store.write(settled(40, 400))
    eventually(lambda: checkpoint(database) == [(1, 40, 400)])
    assert database.one("SELECT max(added) FROM logs_ledger_entries") == 40


def test_a_stream_that_was_found_missing_is_another_one_afterwards(store, database):
    """However much is added and trimmed before the first commit: no counter could tell that."""
    store.write(settled(10, 100))
    assert store.stream_gone("s", 200)
    assert not store.stream_gone("s", 210), "two workers saw it"
    late = msgspec.structs.replace(settled(900, 1_000, first=900), first_entry=(900, 0))
    store.write(msgspec.structs.replace(late, entries_present=3))
    assert epochs(database) == [1, 2]
    assert checkpoint(database) == [(2, 900, 1_000)]
    assert not store.stream_gone("s", 220), "said late, by one who saw the same"
    assert store.stream_gone("s", 1_001)
    former = "SELECT epoch, entries_added, counted FROM logs_epochs ORDER BY epoch"
    assert database.rows(former) == [(1, 10, 10), (2, 900, 900)]


def test_a_batch_read_before_the_stream_was_missing_belongs_to_its_own_life(store, database):
    store.write(settled(10, 100))
    store.stream_gone("s", 200)
    store.write(settled(12, 150))
    assert epochs(database) == [1, 1]
    assert database.rows("SELECT epoch, entries_added FROM logs_epochs") == [(1, 12)]


def test_entries_settled_without_a_reading_are_of_the_stream_that_is_gone_too(store, database):
    store.write(settled(10, 100))
    store.stream_gone("s", 200)
    store.write(Batch(stream="s", runs=(EntryRun((300, 0), (320, 0), 8),)))
    assert not store.stream_gone("s", 250), "said late"
    assert store.stream_gone("s", 400)
    assert not store.stream_gone("s", 500), "nothing was in it"
    store.write(settled(5, 600))
    assert sorted(epochs(database)) == [1, 2, 3]


def test_a_stream_that_comes_back_goes_on_with_the_life_it_had(store, database):
    """It was renamed, or restored: its first entry is older than the moment when it was missed."""
    store.write(settled(10, 100))
    store.stream_gone("s", 200)
    store.write(Batch(stream="s", runs=(EntryRun((101, 0), (110, 0), 3),)))
    back = msgspec.structs.replace(settled(20, 300, first=290), first_entry=(90, 0))
    store.write(back)
    assert epochs(database) == [1, 1, 1]
    assert checkpoint(database) == [(1, 20, 300)]
    assert database.rows("SELECT FROM logs_epochs") == []
    store.stream_gone("s", 400)
    new = msgspec.structs.replace(settled(5, 500, first=450), first_entry=(450, 0))
    store.write(new)
    assert checkpoint(database) == [(2, 5, 500)]


def test_a_missing_stream_that_nobody_knew_is_no_news(store, database):
    assert not store.stream_gone("s", 200)
    assert database.rows("SELECT FROM logs_streams") == []


def reading(added, last_ms, first_ms, run_ms=None):
    """A batch with a full reading of a stream whose first entry is `first_ms`."""
    batch = settled(added, last_ms, first=run_ms)
    return msgspec.structs.replace(batch, first_entry=(first_ms, 0), entries_present=5)


def older(known, known_ms, low_ms, next_ms, added, now, now_ms):
    """What a worker says of a stream that came back older."""
    ids = ((known_ms, 0), (low_ms, 0), (next_ms, 0), (now_ms, 0))
    return SetBack("s", Checkpoint(known, ids[0]), ids[1], ids[2], added, Checkpoint(now, ids[3]))


def taken(store):
    return [epoch.taken for epoch in store.accounts("s", (1, 0), 0.0).epochs]


def test_a_stream_that_counts_less_and_holds_entries_from_before_is_the_same(store, database):
    store.write(settled(1_000, 5_000))
    for added in (998, 1_000):
        assert store.write(reading(added, 6_000 + added, 4_000)).checkpoint == Checkpoint(
            1_000, (5_000, 0)
        )
    assert checkpoint(database) == [(1, 1_000, 5_000)], "it stands until somebody looked"
    store.write(reading(3, 9_000, 8_999))
    assert [row[0] for row in checkpoint(database)] == [2]


def test_of_what_was_taken_back_the_most_that_anybody_knows_is_kept(store, database):
    store.write(settled(1_000, 5_000))
    assert store.set_back(older(1_000, 5_000, 4_900, 6_000, 995, 998, 6_002))
    assert checkpoint(database) == [(1, 998, 6_002)]
    assert store.set_back(older(1_004, 5_004, 4_900, 6_000, 995, 1_001, 6_005))
    assert not store.set_back(older(1_002, 5_002, 4_900, 6_000, 995, 1_001, 6_005))
    assert taken(store) == [9]
    store.write(reading(1_007, 5_007, 4_000))  # read before, committed late
    assert checkpoint(database) == [(1, 998, 6_002)]
    same_again = older(1_001, 6_005, 4_900, 7_000, 995, 999, 7_003)
    assert store.set_back(same_again)
    assert taken(store) == [9 + 6]


def test_what_a_life_had_had_is_not_known_by_readings_from_before_it_was_set_back(store, database):
    store.write(settled(1_000, 5_000))
    store.set_back(older(1_000, 5_000, 4_900, 6_000, 900, 903, 6_002))
    store.write(reading(905, 6_004, 4_000))
    assert store.stream_gone("s", 7_000)
    assert database.rows("SELECT entries_added, counted FROM logs_epochs") == [(905, 905)]
    assert taken(store) == [100, 0]


def test_what_somebody_says_late_of_a_life_that_is_over_is_no_news(store):
    store.write(settled(1_000, 5_000))
    store.stream_gone("s", 5_500)
    assert not store.set_back(older(1_000, 5_000, 4_900, 6_000, 995, 998, 6_002))
    assert not store.set_back(
        msgspec.structs.replace(older(9, 5_000, 4_900, 6_000, 5, 8, 6_002), stream="unknown")
    )
