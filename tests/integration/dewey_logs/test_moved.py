"""The same record resent is one row, whichever of its copies was moved to its entry's time."""

from __future__ import annotations

import threading

import msgspec
import psycopg
import pytest

from dewey_logs import WriteResult, open_store
from dewey_logs.maintenance import forget, maintain
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, eventually

MINUTE_US = 60_000_000


def test_a_moved_record_sent_twice_is_one_row(store, database, maker):
    record = maker.row(created_at_us=maker.now_us - 400 * DAY_US)
    first = maker.moved(record, maker.now_us)
    again = maker.moved(record, maker.now_us + MINUTE_US)
    assert store.write(batch([first])) == WriteResult(stored=1)
    assert store.write(batch([again])) == WriteResult(stored=0, duplicates=1)
    assert store.write(batch([first])) == WriteResult(stored=0, duplicates=1)
    assert database.rows("SELECT count(*) FROM logs") == [(1,)]
    assert database.rows("SELECT count(*) FROM logs_moved") == [(1,)]
    assert database.ledger() == {(77, "stored"): {1}}


def test_a_moved_copy_after_an_unmoved_one_is_a_duplicate(store, database, maker):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    store.write(batch([record]))
    assert store.write(batch([maker.moved(record, maker.now_us)])) == WriteResult(
        stored=0, duplicates=1
    )
    assert database.one("SELECT count(*) FROM logs") == 1
    assert database.one("SELECT count(*) FROM logs_moved") == 0


@pytest.mark.parametrize("original", [b'"%s"', b"%d"])
def test_the_own_time_is_read_as_text_or_as_the_milliseconds_of_the_id(
    store, database, maker, original
):
    ms = maker.now_us // 1000 - DAY_US // 1000
    record = maker.row(created_at_us=ms * 1000)
    text = database.one("SELECT dewey_text(to_timestamp(%s / 1000.0))", ms).lower().encode()
    value = original % (ms if original == b"%d" else text)
    moved = msgspec.structs.replace(
        record,
        created_at_us=maker.now_us,
        moved=True,
        data=b'{"godot":{"created_at":%s}}' % value,
    )
    store.write(batch([record]))
    assert store.write(batch([moved])) == WriteResult(stored=0, duplicates=1)


@pytest.mark.parametrize("maybe_known", [False, True])
def test_an_unmoved_copy_after_a_moved_one_is_a_duplicate(store, database, maker, maybe_known):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    others = maker.rows(20)
    store.write(batch([maker.moved(record, maker.now_us)]))
    result = store.write(batch([*others, record], maybe_known=maybe_known))
    assert result == WriteResult(stored=20, duplicates=1)
    assert database.one("SELECT count(*) FROM logs") == 21


@pytest.mark.parametrize("moved_first", [True, False])
def test_both_copies_in_one_batch_are_one_row(store, database, maker, moved_first):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    pair = [maker.moved(record, maker.now_us), record]
    result = store.write(batch(pair if moved_first else pair[::-1]))
    assert result == WriteResult(stored=1, duplicates=1)
    assert database.one("SELECT count(*) FROM logs") == 1


def test_moved_and_ordinary_rows_share_a_batch(store, database, maker):
    old = [maker.row(created_at_us=maker.now_us - 400 * DAY_US) for _ in range(10)]
    rows = [maker.moved(row, maker.now_us + i) for i, row in enumerate(old)] + maker.rows(10)
    assert store.write(batch(rows)) == WriteResult(stored=20)
    assert store.write(batch(rows)) == WriteResult(stored=0, duplicates=20)
    assert database.one("SELECT count(*) FROM logs") == 20


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"{}",
        b'{"godot":{}}',
        b'{"godot":7}',
        b'{"godot":{"created_at":7}}',
        b'{"godot":{"created_at":9e99}}',
        b'{"godot":{"created_at":99999999999999999999999}}',
        b'{"godot":{"created_at":-9223372036854775808}}',
        b'{"godot":{"created_at":"no time"}}',
        b'{"godot":{"created_at":"0001-01-01T00:00:00+23:59"}}',
    ],
)
def test_a_moved_record_without_a_readable_time_of_its_own_is_known_by_its_id(
    store, database, maker, data
):
    row = maker.row(data=data, moved=True)
    later = msgspec.structs.replace(row, created_at_us=row.created_at_us + MINUTE_US)
    assert store.write(batch([row])).stored == 1
    assert store.write(batch([later])) == WriteResult(stored=0, duplicates=1)
    assert database.one("SELECT count(*) FROM logs") == 1


def test_a_moved_record_that_is_refused_leaves_no_trace_in_logs_moved(store, database, maker):
    bad = maker.row(moved=True, message="\x00")
    good = maker.row(moved=True)
    result = store.write(batch([bad, good, *maker.rows(5)]))
    assert (result.stored, len(result.rejects)) == (6, 1)
    assert [row[0].bytes for row in database.rows("SELECT id FROM logs_moved")] == [good.id]


def test_an_expired_moved_record_leaves_no_trace_in_logs_moved(store, database, maker):
    row = maker.row(moved=True, created_at_us=maker.now_us - 30 * DAY_US)
    assert store.write(batch([row])) == WriteResult(stored=0, expired=1)
    assert database.one("SELECT count(*) FROM logs_moved") == 0


def test_the_place_taken_for_the_other_copy_is_given_back(store, database, maker):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    store.write(batch([maker.moved(record, maker.now_us)]))
    assert database.rows("SELECT message FROM logs") == [(record.message,)]


def test_a_moved_record_resent_when_its_day_is_gone_stays_away(dewey_url, store, database, maker):
    record = maker.row(created_at_us=maker.now_us - 400 * DAY_US)
    first = maker.moved(record, maker.now_us - 10 * DAY_US)
    with open_store(dewey_url, retention_days=30) as patient:
        assert patient.write(batch([first])).stored == 1
    maintain(dewey_url, 7)
    assert store.write(batch([first])) == WriteResult(stored=0, expired=1)
    again = maker.moved(record, maker.now_us)
    assert store.write(batch([again])) == WriteResult(stored=0, duplicates=1)
    assert database.one("SELECT count(*) FROM logs") == 0
    assert database.ledger() == {(77, "stored"): {1}, (77, "expired"): {1}}


def test_ids_of_moved_records_are_forgotten_once_no_copy_can_be_expected(dewey_url, database):
    """Retention, the day that is dropped last, and the window's eight days."""
    for days, count in ((17, 30_000), (15, 1), (0, 1), (20, 1)):
        database.connection.execute(
            "INSERT INTO logs_moved SELECT gen_random_uuid(), now() - %s * interval '24 hours'"
            " FROM generate_series(1, %s)",
            (days, count),
        )
    database.rows("SELECT dewey_ensure_partition(now() - interval '20 days')")
    forget(dewey_url, 7)
    left = "SELECT (now() - created_at) / 86400 FROM logs_moved ORDER BY created_at"
    assert [age.seconds for (age,) in database.rows(left)] == [20, 15, 0]


class Held:
    """The other worker: has stored its copy and not committed yet."""

    def __init__(self, url):
        self.url = url
        self.result = []

    def write_meanwhile(self, row):
        """Start a write, and return when it waits for the transaction that is held."""

        def work():
            with open_store(self.url, application_name="meanwhile") as store:
                self.result.append(store.write(batch([row])))

        self.thread = threading.Thread(target=work)
        self.thread.start()
        waiting = (
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE application_name = %s"
        )
        with psycopg.connect(self.url, autocommit=True) as eyes:
            eventually(lambda: eyes.execute(waiting, ("meanwhile",)).fetchall() == [(True,)])

    def finished(self):
        self.thread.join(60)
        return self.result


def test_a_moved_copy_waits_for_the_unmoved_one_that_another_worker_is_storing(
    dewey_url, database, maker
):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    other = Held(dewey_url)
    with database.connection.transaction():
        database.connection.execute(
            "INSERT INTO logs (created_at, id, level, component, message)"
            " VALUES (to_timestamp(%s), %s::uuid, 'INFO', 'c', 'm')",
            (record.created_at_us / 1e6, record.id.hex()),
        )
        # exactly the microsecond that the row has
        us = database.one("SELECT (extract(epoch FROM created_at) * 1000000)::bigint FROM logs")
        record = msgspec.structs.replace(record, created_at_us=us)
        other.write_meanwhile(maker.moved(record, maker.now_us))
    assert other.finished() == [WriteResult(stored=0, duplicates=1)]
    assert database.one("SELECT count(*) FROM logs") == 1


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_an_unmoved_copy_waits_for_the_moved_one_that_another_worker_is_storing(
    dewey_url, database, maker, isolation
):
    base = database.one("SELECT current_database()")
    database.connection.execute(
        f"ALTER DATABASE {base} SET default_transaction_isolation = '{isolation}'"
    )
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    moved = maker.moved(record, maker.now_us)
    other = Held(dewey_url)
    times = {"own": record.created_at_us, "entry": moved.created_at_us, "id": record.id.hex()}
    with database.connection.transaction():
        for step in (
            "SELECT dewey_known_under(ARRAY[%(id)s::uuid],"
            " ARRAY[timestamptz 'epoch' + %(own)s * interval '1 microsecond'])",
            "INSERT INTO logs_moved VALUES (%(id)s::uuid,"
            " timestamptz 'epoch' + %(entry)s * interval '1 microsecond')",
            "INSERT INTO logs (created_at, id, level, component, message) VALUES (timestamptz"
            " 'epoch' + %(entry)s * interval '1 microsecond', %(id)s::uuid, 'INFO', 'c', 'm')",
        ):
            database.connection.execute(step, times)
        other.write_meanwhile(record)
    assert other.finished() == [WriteResult(stored=0, duplicates=1)]
    assert database.one("SELECT count(*) FROM logs") == 1


def test_no_record_goes_whose_id_is_named_with_another_time_too(store, writer_url, database, maker):
    record = maker.row(created_at_us=maker.now_us - DAY_US)
    store.write(batch([record]))
    times = {"own": record.created_at_us, "free": record.created_at_us + 1, "id": record.id.hex()}
    with psycopg.connect(writer_url, autocommit=True) as writer:
        known = writer.execute(
            "SELECT dewey_known_under(ARRAY[%(id)s::uuid, %(id)s::uuid], ARRAY["
            "timestamptz 'epoch' + %(own)s * interval '1 microsecond',"
            "timestamptz 'epoch' + %(free)s * interval '1 microsecond'])",
            times,
        ).fetchall()
    assert [key.bytes for (key,) in known] == [record.id]
    assert database.stored_ids() == [record.id]


def test_two_workers_with_both_copies_of_many_records_store_each_once(dewey_url, database):
    maker = Maker()
    plain = [maker.row(created_at_us=maker.now_us - DAY_US + i) for i in range(400)]
    moved = [maker.moved(row, maker.now_us + i) for i, row in enumerate(plain)]
    results: list[WriteResult] = []

    def work(rows):
        with open_store(dewey_url) as store:
            parts = [rows[start : start + 10] for start in range(0, len(rows), 10)]
            results.extend(store.write(batch(part)) for part in parts)

    threads = [threading.Thread(target=work, args=(rows,)) for rows in (plain, moved)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(result.stored for result in results) == 400
    assert sum(result.duplicates for result in results) == 400
    assert database.rows("SELECT count(*), count(DISTINCT id) FROM logs") == [(400, 400)]
