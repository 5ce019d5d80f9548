"""Days come and go while readers and writers hold their transactions."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest

from dewey_logs import LogFilter, Unavailable, open_store
from dewey_logs import partitions as dewey_partitions
from dewey_logs.database import connect, conninfo
from dewey_logs.maintenance import forget, maintain, tend, verify
from dewey_logs.partitions import drop_expired, ensure, partitions
from tests.integration.dewey_logs.conftest import DAY_US, batch


def day(offset_days):
    return (datetime.now(UTC) + timedelta(days=offset_days)).date()


def name(offset_days):
    return f"logs_{day(offset_days):%Y%m%d}"


def make(database, *offsets):
    for offset in offsets:
        database.rows("SELECT dewey_ensure_partition(now() + %s * interval '24 hours')", offset)


def attached(url):
    return {one.name for one in partitions(url)}


def test_every_day_of_the_window_and_three_ahead_are_made_and_made_once(dewey_url, database):
    for offset in (-7, -2, 0, 3):
        database.connection.execute(f"DROP TABLE {name(offset)}")
    assert ensure(dewey_url) == [name(-7), name(-2), name(0), name(3)]
    assert ensure(dewey_url) == []
    assert attached(dewey_url) == {name(offset) for offset in range(-7, 4)}


def test_no_day_is_made_that_retention_would_drop_at_once(dewey_url, database):
    for offset in range(-7, -1):
        database.connection.execute(f"DROP TABLE {name(offset)}")
    assert ensure(dewey_url, retention_days=3) == [name(-3), name(-2)]
    assert drop_expired(dewey_url, 3) == []


def test_a_day_has_every_index_of_the_table(database):
    make(database, 5)
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"
    assert database.one(indexes, name(5)) == database.one(indexes, "logs")
    assert database.one(indexes, name(5)) == 7


def test_a_day_holds_exactly_its_day_in_utc_whatever_the_session_says(database):
    database.connection.execute("SET timezone = 'Pacific/Kiritimati'")  # UTC+14
    last = datetime.combine(day(6), time.max, UTC)
    make(database, 6)
    assert database.one("SELECT dewey_partition_of(%s)", last) == name(6)
    assert database.one("SELECT dewey_partition_of(%s)", last + timedelta(microseconds=1)) is None
    database.connection.execute("SET timezone = 'UTC'")
    bounds = database.one(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s", name(6)
    )
    assert f"FROM ('{day(6)} 00:00:00+00') TO ('{day(7)} 00:00:00+00')" in bounds


@pytest.mark.parametrize("at", ["infinity", "-infinity", "2300-01-01", "1970-01-01", None])
def test_no_day_is_made_beyond_the_bounds(database, at):
    assert database.one("SELECT dewey_ensure_partition(%s::timestamptz)", at) is None


def test_many_processes_make_the_same_days(dewey_url, database):
    for offset in range(-7, 4):
        database.connection.execute(f"DROP TABLE {name(offset)}")
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(ensure(dewey_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 4
    assert attached(dewey_url) == {name(offset) for offset in range(-7, 4)}


def test_days_are_made_while_a_reader_and_a_writer_hold_their_transactions(
    dewey_url, database, maker
):
    database.connection.execute(f"DROP TABLE {name(3)}")
    with psycopg.connect(dewey_url) as reader, psycopg.connect(dewey_url) as writer:
        reader.execute("SELECT count(*) FROM logs").fetchall()
        writer.execute(
            "INSERT INTO logs (created_at, id, level, component, message)"
            " VALUES (now(), gen_random_uuid(), 'INFO', 'c', 'm')"
        )
        database.connection.execute("SET lock_timeout = '1s'")
        assert ensure(database.connection) == [name(3)]


def test_only_days_past_retention_are_dropped(dewey_url, database, maker):
    make(database, -20, -9, -8)
    with open_store(dewey_url, retention_days=30) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - n * DAY_US) for n in (20, 8, 1)]))
    assert drop_expired(dewey_url, 7) == [name(-20), name(-9), name(-8)]
    assert drop_expired(dewey_url, 7) == []
    assert attached(dewey_url) == {name(offset) for offset in range(-7, 4)}
    assert database.one("SELECT count(*) FROM logs") == 1


def half_detach(database, day_name, reader):
    """Begin to detach a day that this transaction holds, as far as it goes."""
    reader.execute(f"SELECT count(*) FROM {day_name}").fetchall()
    database.connection.execute("SET lock_timeout = '200ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        database.connection.execute(f"ALTER TABLE logs DETACH PARTITION {day_name} CONCURRENTLY")


@pytest.mark.parametrize("of_the_day_alone", [False, True])
def test_a_day_that_a_reader_holds_is_left_for_the_next_run(
    dewey_url, database, maker, monkeypatch, of_the_day_alone
):
    monkeypatch.setattr(dewey_partitions, "LOCK_TIMEOUT_MS", 200)
    make(database, -9, -8)
    with psycopg.connect(dewey_url) as reader:
        read = name(-9) if of_the_day_alone else "logs"
        reader.execute(f"SELECT count(*) FROM {read}").fetchall()
        assert drop_expired(dewey_url, 7) == []
        with open_store(dewey_url, retention_days=30) as store:  # nobody else noticed
            assert store.write(batch([maker.row(created_at_us=maker.now_us - 9 * DAY_US)])).stored
            assert store.totals().rows == 1
    assert drop_expired(dewey_url, 7) == [name(-9), name(-8)]
    assert attached(dewey_url) == {name(offset) for offset in range(-7, 4)}


def test_a_day_half_detached_is_taken_back_within_a_minute(dewey_url, database, maker):
    with open_store(dewey_url) as store, psycopg.connect(dewey_url) as reader:
        half_detach(database, name(-2), reader)
        late = batch([maker.row(created_at_us=maker.now_us - 2 * DAY_US)])
        with pytest.raises(Unavailable, match="is being detached"):
            store.write(late)
        reader.rollback()
        database.connection.execute(f"COMMENT ON TABLE {name(-2)} IS '{dewey_partitions.MARK}'")
        tend(dewey_url)
        assert store.write(late).stored == 1
        assert not database.one("SELECT obj_description(%s::regclass, 'pg_class')", name(-2))


def test_a_day_half_detached_stops_no_other_from_being_dropped(dewey_url, database):
    make(database, -9)
    with psycopg.connect(dewey_url) as reader:
        half_detach(database, name(-2), reader)
    assert drop_expired(dewey_url, 7) == [name(-9)]
    assert attached(dewey_url) == {name(offset) for offset in range(-7, 4)}


@contextmanager
def nothing_is_dropped(database):
    """As if every run were killed when it comes to that."""
    database.connection.execute(
        "CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN RAISE lock_not_available; END';"
        "CREATE EVENT TRIGGER keep ON ddl_command_start WHEN TAG IN ('DROP TABLE')"
        " EXECUTE FUNCTION keep()"
    )
    yield
    database.connection.execute("DROP EVENT TRIGGER keep; DROP FUNCTION keep()")


def test_a_day_detached_and_not_dropped_is_dropped_by_the_next_run(dewey_url, database):
    make(database, -9)
    with nothing_is_dropped(database):
        assert drop_expired(dewey_url, 7) == []
    assert name(-9) not in attached(dewey_url)
    assert drop_expired(dewey_url, 7) == [name(-9)]


def test_a_day_detached_and_not_dropped_comes_back_with_its_counts_if_retention_spares_it(
    dewey_url, database, maker
):
    with open_store(dewey_url) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - 2 * DAY_US)]))
    with nothing_is_dropped(database):
        assert drop_expired(dewey_url, 7, 1) == []
        forget(dewey_url, 7)
    assert name(-2) not in attached(dewey_url)
    maintain(dewey_url, 7)
    assert database.one("SELECT count(*) FROM logs") == 1
    assert not list(verify(dewey_url))


def test_counts_go_with_their_day_before_a_late_record_makes_it_again(dewey_url, database, maker):
    late = [maker.row(created_at_us=maker.now_us - 2 * DAY_US + n) for n in range(2)]
    with open_store(dewey_url) as store:
        store.write(batch(late[:1]))
        assert drop_expired(dewey_url, 7, 1) == [name(-2)]
        store.write(batch(late[1:]))
    forget(dewey_url, 7)
    assert not list(verify(dewey_url))


def test_no_day_is_dropped_while_counts_are_merged(dewey_url, database, monkeypatch):
    monkeypatch.setattr(dewey_partitions, "LOCK_TIMEOUT_MS", 200)
    make(database, -9)
    merging = "(hashtext('dewey'), hashtext('merge'))"
    database.connection.execute(f"SELECT pg_advisory_lock{merging}")
    assert drop_expired(dewey_url, 7) == []
    database.connection.execute(f"SELECT pg_advisory_unlock{merging}")
    assert drop_expired(dewey_url, 7) == [name(-9)]


def test_what_somebody_detached_to_keep_it_stays_and_counts_no_more(dewey_url, database, maker):
    make(database, -8)
    with open_store(dewey_url, retention_days=30) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - 9 * DAY_US)]))
    database.connection.execute(f"ALTER TABLE logs DETACH PARTITION {name(-9)} CONCURRENTLY")
    database.connection.execute("CREATE TABLE logs_backup (a int); CREATE TABLE logs_2026 (a int)")
    assert drop_expired(dewey_url, 7) == [name(-8)]
    for table in (name(-9), "logs_backup", "logs_2026"):
        assert database.one("SELECT to_regclass(%s) IS NOT NULL", table)
    forget(dewey_url, 7)
    assert database.one("SELECT count(*) FROM logs_rollup") == 0


def test_a_detached_day_is_attached_again_when_a_record_of_it_comes(dewey_url, database, maker):
    store = open_store(dewey_url)
    with store:
        store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
        database.connection.execute(f"ALTER TABLE logs DETACH PARTITION {name(-1)}")
        store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
    assert database.one("SELECT count(*) FROM logs") == 2


def test_one_process_at_a_time_drops(dewey_url, database):
    make(database, -9)
    with psycopg.connect(dewey_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('dewey'), hashtext('maintenance'))")
        assert drop_expired(dewey_url, 7) == []
    assert drop_expired(dewey_url, 7) == [name(-9)]


def test_days_are_listed_with_their_size(dewey_url):
    listed = partitions(dewey_url)
    assert [one.name for one in listed] == [name(offset) for offset in range(-7, 4)]
    assert all(one.size_bytes > 0 for one in listed)


def test_the_oldest_days_go_when_the_log_has_grown_too_large(dewey_url, database, maker):
    with open_store(dewey_url, retention_days=30) as store:
        for ago in (3, 2, 1, 0):
            at = maker.now_us - ago * DAY_US
            store.write(
                batch([maker.row(created_at_us=at + n, message="x" * 900) for n in range(300)])
            )
    sizes = {one.name: one.size_bytes for one in partitions(dewey_url)}
    newer = sum(size for day_name, size in sizes.items() if day_name >= name(-1))
    assert drop_expired(dewey_url, 7, newer + sizes[name(-2)] // 2) == [name(-3), name(-2)]
    assert ensure(dewey_url, 7) == [name(-3), name(-2)]
    assert drop_expired(dewey_url, 7, newer) == [], "an empty day would be made again"
    assert drop_expired(dewey_url, 7, 1) == [name(-1)], "today stays, however large"
    assert database.one("SELECT count(*) FROM logs") == 300


@pytest.mark.parametrize("limit", [1, None])
def test_a_cut_off_drop_by_size_stops_neither_maintenance_nor_the_day(
    dewey_url, database, maker, limit
):
    """The next run finishes what is half detached: drops it, or takes it back if it is spared."""
    with open_store(dewey_url) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - 2 * DAY_US)]))
        store.write(batch(maker.rows(3)))
        with psycopg.connect(dewey_url) as reader:
            half_detach(database, name(-2), reader)
            assert name(-2) not in ensure(dewey_url)
        maintain(dewey_url, 7, limit)
        assert name(-2) in attached(dewey_url), "made again, or taken back"
        assert database.one("SELECT count(*) FROM logs") == (3 if limit else 4)
        assert not list(verify(dewey_url))


def test_what_a_database_has_as_its_default_changes_nothing(dewey_url, database, maker):
    base = database.one("SELECT current_database()")
    for setting, value in (
        ("datestyle", "German"),
        ("timezone", "Asia/Kolkata"),
        ("standard_conforming_strings", "off"),
        ("default_transaction_isolation", "serializable"),
        ("statement_timeout", "30s"),
    ):
        database.connection.execute(f"ALTER DATABASE {base} SET {setting} = '{value}'")
    with open_store(dewey_url) as store:
        store.write(batch(maker.rows(3)))
        assert store.query(LogFilter(search="message")).returned == 3
    assert len(partitions(dewey_url)) == 11
    with connect(conninfo(dewey_url, "test")) as session:
        taken = ("transaction_isolation", "statement_timeout")
        said = [session.execute(f"SHOW {setting}").fetchone() for setting in taken]
    assert said == [("read committed",), ("0",)]


def test_counts_of_a_day_that_is_taken_back_are_still_there(dewey_url, database, maker):
    """A run that was killed between DETACH and DROP, of a day that retention spares."""
    with open_store(dewey_url) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - n * DAY_US) for n in (2, 2, 0)]))
        database.connection.execute(f"ALTER TABLE logs DETACH PARTITION {name(-2)}")
        maintain(dewey_url, 7)
        assert name(-2) in attached(dewey_url)
        assert not list(verify(dewey_url))
        assert store.query(LogFilter(component=("shop.api",))).returned == 3


def test_counts_of_a_day_that_is_gone_go_although_older_ones_stay(dewey_url, database, maker):
    with open_store(dewey_url) as store:
        store.write(batch([maker.row(created_at_us=maker.now_us - n * DAY_US) for n in (5, 2, 0)]))
    database.connection.execute(f"DROP TABLE {name(-2)}")
    forget(dewey_url, 7)
    ensure(dewey_url)
    assert not list(verify(dewey_url))
