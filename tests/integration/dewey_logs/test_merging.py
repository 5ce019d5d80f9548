"""Old rows of the ledger are merged, and no question about them gets another answer."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from dewey_logs import Accounts, Batch, EntryRun, Source
from dewey_logs.maintenance import merge_ledger
from tests.integration.dewey_logs.conftest import DAY_US, batch, reject

HOUR = timedelta(hours=1)
LONG_AGO = timedelta(hours=3)


def entry(n: int) -> tuple[int, int]:
    return (1_000 + n // 3, n % 3)


def run(first: int, last: int | None = None, delivery: Any = "new") -> EntryRun:
    end = first if last is None else last
    return EntryRun(entry(first), entry(end), end - first + 1, delivery)


def settle(store, *runs: EntryRun, floor=0, added=1_000, last=1_000, rows=()) -> None:
    """Commit a batch that was read when everything before entry number `floor` was settled."""
    store.write(
        Batch(
            stream="s",
            rows=tuple(rows),
            runs=runs,
            entries_added=added,
            last_generated=entry(last),
            floor=entry(floor),
        )
    )


def age(database, by: timedelta) -> None:
    """Let everything have happened earlier."""
    for table, columns in (
        ("logs_ledger", ("at", "since")),
        ("logs_ledger_entries", ("at",)),
        ("logs_streams", ("at", "began_at")),
        ("logs_epochs", ("began_at", "ended_at")),
    ):
        changes = ", ".join(f"{column} = {column} - %(by)s" for column in columns)
        database.connection.execute(f"UPDATE {table} SET {changes}", {"by": by})


def count(database) -> int:
    return database.one("SELECT count(*) FROM logs_ledger") + database.one(
        "SELECT count(*) FROM logs_ledger_entries"
    )


def accounts(store, first: int = 10_000) -> Accounts:
    """Return what an audit gets to know when the stream begins at entry number `first`."""
    return store.accounts("s", entry(first), 120.0)


def without_bound(found: Accounts) -> Accounts:
    """Leave out what has to differ: how far the ledger is merged, and what aging moves."""
    epochs = tuple(
        msgspec.structs.replace(epoch, bound=(0, 0), began_ms=0) for epoch in found.epochs
    )
    return msgspec.structs.replace(found, epochs=epochs, old={})


def settled_and_vanished(store) -> tuple[int, int]:
    (epoch,) = accounts(store).epochs
    return epoch.settled, epoch.vanished


def test_an_hour_of_a_producers_batches_becomes_one_row(store, database, dewey_url, maker):
    for n in range(20):
        settle(store, run(10 * n, 10 * n + 9), rows=maker.rows(10), floor=200)
    before = accounts(store)
    age(database, LONG_AGO)
    assert merge_ledger(dewey_url) >= 38  # 20 rows of numbers became 2 at most, 20 runs a sum
    assert count(database) <= 2
    assert without_bound(accounts(store)) == without_bound(before)
    assert settled_and_vanished(store) == (200, 0)
    assert merge_ledger(dewey_url) == 0


def test_what_is_younger_than_an_hour_stays_as_it_is(store, database, dewey_url, maker):
    for n in range(5):
        settle(store, run(n), rows=maker.rows(1), floor=100)
    age(database, HOUR - timedelta(minutes=1))
    assert merge_ledger(dewey_url) == 0
    assert count(database) == 10


def test_entries_that_may_still_be_settled_stay_as_they_are(store, database, dewey_url):
    settle(store, run(0, 9), run(20, 29), floor=10)  # 10 to 19 are pending
    age(database, LONG_AGO)
    assert merge_ledger(dewey_url) == 1
    settle(store, *(run(n, delivery="again") for n in range(10, 20)), floor=30)
    assert settled_and_vanished(store) == (30, 0)


def test_a_slow_peer_of_the_last_hour_holds_the_bound_back(store, database, dewey_url):
    settle(store, run(0, 9), run(20, 29), floor=30)
    age(database, LONG_AGO)
    settle(store, run(10, delivery="vanished"), floor=30)
    assert merge_ledger(dewey_url) == 1
    settle(store, run(10, 19), floor=30)  # the worker that had them was slow, not dead
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    assert settled_and_vanished(store) == (30, 0)


@pytest.mark.parametrize("delivery", ["new", "again", "vanished"])
def test_what_a_worker_commits_that_slept_for_hours_is_not_counted_twice(
    store, database, dewey_url, delivery
):
    settle(store, *(run(n, delivery="again") for n in range(10)), floor=10)
    age(database, LONG_AGO)
    assert merge_ledger(dewey_url) == 10
    late = [run(0, 9)] if delivery == "new" else [run(n, delivery=delivery) for n in range(10)]
    settle(store, *late, floor=10)
    assert settled_and_vanished(store) == (10, 0)
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    assert settled_and_vanished(store) == (10, 0)


def test_what_it_commits_for_the_first_time_is_counted(store, database, dewey_url, maker):
    """Its entries were trimmed while it slept, so that no peer could take them over."""
    settle(store, run(0, 9), run(20, 29), floor=30)
    age(database, LONG_AGO)
    assert merge_ledger(dewey_url) == 2
    rows = [maker.row(source=Source("{}-{}".format(*entry(n)), ())) for n in range(10, 20)]
    store.write(batch(rows[:4], runs=(run(10, 13),), maybe_known=False, stream="s"))
    store.write(batch(rows, runs=(run(10, 19),), maybe_known=True, stream="s"))
    assert settled_and_vanished(store) == (30, 0)
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    assert settled_and_vanished(store) == (30, 0)


@pytest.mark.parametrize("told_by_a_peer", [False, True])
def test_what_it_settles_without_storing_it_is_counted_once(
    store, database, dewey_url, maker, told_by_a_peer
):
    """Refused, undecodable, expired and cleared records settle their entries as stored ones do."""
    database.connection.execute(
        """INSERT INTO logs_cleared (filter) VALUES ('{"component": ["gone"]}')"""
    )
    sources = [Source("{}-{}".format(*entry(n)), ()) for n in range(10, 16)]
    row = maker.row(source=sources[0])
    rows = [
        row,
        msgspec.structs.replace(row, source=sources[1]),  # the same record once more
        maker.row(source=sources[2], message="\x00"),
        maker.row(source=sources[3], created_at_us=maker.now_us - 30 * DAY_US),
        maker.row(source=sources[4], component="gone"),
    ]
    rejects = (reject(b"r" * 16, source=sources[5]),)
    held = batch(rows, rejects=rejects, stream="s", heed_clears=True)
    if told_by_a_peer:
        again = tuple(run(n, delivery="again") for n in range(10, 16))
        store.write(msgspec.structs.replace(held, runs=again))
        settle(store, run(0, 9), run(16, 29), floor=30)
    else:
        settle(store, run(0, 9), run(16, 29), floor=30)
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    for _ in range(2):
        result = store.write(msgspec.structs.replace(held, runs=(run(10, 15),)))
        assert (len(result.rejects), result.expired, result.cleared) == (2, 1, 1)
        assert settled_and_vanished(store) == (30, 0)


def test_the_sum_of_a_deleted_stream_is_kept_beside_that_of_its_successor(
    store, database, dewey_url
):
    settle(store, run(0, 9), floor=10, added=10, last=9)
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    settle(store, run(100, 104), floor=100, added=5, last=104)
    age(database, LONG_AGO)
    settle(store, run(105), floor=106, added=6, last=105)
    merge_ledger(dewey_url)
    assert [(e.number, e.added, e.settled) for e in accounts(store).epochs] == [
        (1, 10, 10),
        (2, 6, 6),
    ]


def test_a_checkpoint_that_only_merged_rows_knew_ends_the_epoch_right(store, database, dewey_url):
    settle(store, run(0, 9), floor=10, added=10, last=9)
    with database.connection.transaction():  # another worker's, so that the next one is passed over
        database.connection.execute("SELECT FROM logs_streams FOR UPDATE")
        settle(store, run(10, 19), floor=20, added=20, last=19)
    settle(store, run(10, delivery="again"), floor=20, added=20, last=19)
    database.connection.execute("UPDATE logs_streams SET entries_added = 10")
    age(database, LONG_AGO)
    merge_ledger(dewey_url)
    settle(store, run(200), floor=200, added=1, last=200)
    assert [(e.number, e.added, e.settled) for e in accounts(store).epochs] == [
        (1, 20, 20),
        (2, 1, 1),
    ]


def test_lost_numbers_are_dated_by_the_span_of_merged_rows(store, database, dewey_url, maker):
    first, lost, last = maker.row(), maker.row(), maker.row()
    settle(store, run(0), rows=[first], floor=9)
    age(database, timedelta(minutes=20))
    settle(store, run(2), rows=[last], floor=9)
    hour = "date_trunc('hour', now()) - interval '5 hours'"  # both in one hour
    database.connection.execute(
        f"UPDATE logs_ledger SET at = {hour} + interval '1 min' * lower(seqs)"
    )
    wanted = (maker.producer, lost.sequence, lost.sequence)
    exact = store.neighbours([wanted])[wanted]
    assert merge_ledger(dewey_url) >= 1
    assert store.neighbours([wanted])[wanted] == exact


def test_numbers_from_before_a_setback_are_told_from_those_after_it(store, database, dewey_url):
    settle(store, run(0, 9), floor=0, added=10)
    ages = {1: 4_002, 2: 4_001, 3: 3_999, 4: 3_998}
    for number, ago in ages.items():
        database.connection.execute(
            "INSERT INTO logs_ledger (stream, producer, kind, seqs, at) VALUES ('s', 5, 'stored',"
            " int8multirange(int8range(%s, %s)), date_trunc('day', now(), 'UTC')"
            " - interval '4 days 12 hours' - %s * interval '1 second')",
            (number, number + 1, ago),
        )
    database.connection.execute(
        "INSERT INTO logs_setbacks VALUES ('s', 1, 5, 0, 6, 0, 10, 5,"
        " date_trunc('day', now(), 'UTC') - interval '4 days 12 hours 4000 seconds')"
    )
    assert accounts(store).before == {5: 2}
    assert merge_ledger(dewey_url) == 2
    assert accounts(store).before == {5: 2}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_ledger_holds_an_audit_learns_the_same_after_merging(
    store, database, dewey_url, seed
):
    rng = random.Random(seed)
    floor = _random_ledger(database, rng)
    regions = [entry(floor + n) for n in (0, 5, 1_000)]
    before = [without_bound(store.accounts("s", region, 120.0)) for region in regions]
    rows = count(database)
    merged = merge_ledger(dewey_url)
    assert merged == rows - count(database) > 0
    after = [without_bound(store.accounts("s", region, 120.0)) for region in regions]
    assert after == before
    assert merge_ledger(dewey_url) == 0


def _random_ledger(database, rng: random.Random) -> int:
    """Fill the ledger as workers could have, in two lives of a stream; return the floor."""
    minutes = sorted(rng.sample(range(5_000), 60))
    began = minutes[30]
    sql = database.connection.execute
    for producer in range(3):
        for ago in minutes:
            low = rng.randrange(300)
            kind = rng.choice(["stored", "stored", "stored", "duplicate", "rejected", "dropped"])
            sql(
                "INSERT INTO logs_ledger (stream, producer, kind, seqs, at, born)"
                " VALUES (%s, %s, %s, int8multirange(int8range(%s, %s)),"
                " now() - %s * interval '1 minute', now() - %s * interval '1 minute')",
                (
                    rng.choice(("s", "s", "t")),
                    *(producer, kind, low, low + rng.randint(1, 20), ago),
                    rng.choice((None, ago, ago + 3, ago + 2_000)),
                ),
            )
    floor = 600
    sql(
        "INSERT INTO logs_epochs VALUES ('s', 1, 700, %s, %s, now() - interval '9 days',"
        " now() - %s * interval '1 minute')",
        (*entry(300), began),
    )
    sql(
        "INSERT INTO logs_streams VALUES ('s', 2, 900, %s, %s, %s, %s,"
        " now() - %s * interval '1 minute', now(), %s, %s)",
        (*entry(899), *entry(300), began, *entry(floor)),
    )
    sql(
        "INSERT INTO logs_setbacks VALUES ('s', 2, %s, %s, %s, %s, 700, 690,"
        " now() - %s * interval '1 minute')",
        (*entry(480), *entry(500), minutes[15]),
    )
    for number, low, high in ((1, 0, 300), (2, 300, 700)):
        at = low
        while at < high:
            end = min(high - 1, at + rng.randrange(30))
            ago = 9_000 - 10 * at
            if rng.random() < 0.7:
                _entries(sql, number, "new", at, end, ago)
            for n in rng.sample(range(at, end + 1), k=rng.randint(0, end - at)):
                for _ in range(rng.choice((1, 1, 2))):
                    _entries(sql, number, rng.choice(("again", "vanished")), n, n, ago - 5)
            at = end + 1
    return floor


def _entries(sql, epoch: int, delivery: str, first: int, last: int, ago: int) -> None:
    sql(
        "INSERT INTO logs_ledger_entries VALUES ('s', %s, %s, %s, %s, %s, %s, %s, NULL,"
        " now() - %s * interval '1 minute')",
        (epoch, delivery, *entry(first), *entry(last), last - first + 1, ago),
    )
