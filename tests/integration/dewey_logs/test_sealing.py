"""Search indexes come when a partition is over; partitions are as short as was chosen."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dewey_logs import LogFilter, open_store
from dewey_logs import sealing as dewey_sealing
from dewey_logs.errors import SchemaProblem
from dewey_logs.layout import Layout
from dewey_logs.maintenance import verify
from dewey_logs.partitions import drop_expired, ensure, partitions
from dewey_logs.sealing import choose, seal
from tests.conftest import logged_in
from tests.integration.dewey_logs.conftest import DAY_US, batch, eventually

HOUR_US = 3_600_000_000


def name(offset_days: int) -> str:
    return f"logs_{datetime.now(UTC) + timedelta(days=offset_days):%Y%m%d}"


def today_us(hour: int, offset_days: int = 0) -> int:
    """Return an hour of a day, by the clock, in microseconds."""
    day = datetime.now(UTC).replace(hour=hour, minute=30) + timedelta(days=offset_days)
    return int(day.timestamp()) * 1_000_000


def indexed(url: str) -> set[str]:
    return {part.name for part in partitions(url) if part.indexed}


@pytest.fixture
def store(dewey_url):
    with open_store(dewey_url) as opened:
        yield opened


@pytest.fixture
def growing(store, maker, database, monkeypatch):
    """Yesterday as if it still filled: what adds a record a second, and what tells its parts."""
    monkeypatch.setattr(dewey_sealing, "OVER_S", 10 * 86_400)
    monkeypatch.setattr(dewey_sealing, "MANY_ROWS", 100)
    monkeypatch.setattr(dewey_sealing, "SETTLE_S", 0)
    noon_us = today_us(12, -1) // HOUR_US * HOUR_US
    count = itertools.count()

    def grow(rows: int) -> None:
        times = [noon_us + n * 1_000_000 for n in itertools.islice(count, rows)]
        store.write(batch([maker.row(created_at_us=us) for us in times]))

    def parts() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        found = database.rows(
            "SELECT to_char(low AT TIME ZONE 'UTC', 'HH24:MI:SS'),"
            " to_char(high AT TIME ZONE 'UTC', 'HH24:MI:SS'), indexed"
            " FROM dewey_stretches() WHERE name = %s",
            name(-1),
        )
        return [row[:2] for row in found if row[2]], [row[:2] for row in found if not row[2]]

    return grow, parts


def test_a_day_that_is_over_is_indexed_and_vacuumed_once(store, dewey_url, database, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - ago * DAY_US) for ago in (0, 1, 3)]))
    assert indexed(dewey_url) == set()
    done = seal(dewey_url)
    assert done.indexed == [f"{name(ago)}_{kind}" for ago in (-3, -1) for kind in ("data", "text")]
    assert done.vacuumed == [name(-3), name(-1)]
    assert indexed(dewey_url) == {name(-3), name(-1)}, "today still fills, the others are empty"
    assert seal(dewey_url) == ([], [])
    store.write(batch([maker.row(created_at_us=maker.now_us - 2 * DAY_US)]))  # late
    assert seal(dewey_url).indexed == [f"{name(-2)}_data", f"{name(-2)}_text"]


def test_the_indexes_are_those_that_queries_use(store, dewey_url, database, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US + n) for n in range(2_000)]))
    seal(dewey_url)
    database.connection.execute("SET enable_seqscan = off")
    for clause, index in (
        ("to_tsvector('simple', left(message, 8192)) @@ to_tsquery('simple', '77')", "_text"),
        ("""data @> '{"i": 77}'""", "_data"),
    ):
        plan = database.rows(f"EXPLAIN SELECT id FROM {name(-1)} WHERE {clause}")
        assert any(f"Bitmap Index Scan on {name(-1)}{index}" in line for (line,) in plan), plan


def test_live_indexes_what_is_there_and_what_will_be(store, dewey_url, database, maker):
    store.write(batch([maker.row()]))
    choose(dewey_url, Layout(search_index="live"))
    assert seal(dewey_url).indexed == [f"{name(0)}_data", f"{name(0)}_text"]
    database.connection.execute(f"DROP TABLE {name(3)}")
    ensure(dewey_url)
    assert indexed(dewey_url) == {name(0), name(3)}
    choose(dewey_url, Layout(search_index="sealed"))
    database.connection.execute(f"DROP TABLE {name(3)}")
    ensure(dewey_url)
    assert indexed(dewey_url) == {name(0)}


def test_a_partition_that_grows_too_large_is_indexed_in_parts(growing, dewey_url, database):
    grow, parts = growing
    grow(100)
    assert seal(dewey_url) == ([], []), "a hundred and one would be too many to read"
    grow(20)
    assert seal(dewey_url) == ([f"{name(-1)}_{kind}_000000" for kind in ("data", "text")], [])
    assert parts() == ([("00:00:00", "12:01:59")], [("12:01:59", "00:00:00")])
    analysed = "SELECT last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = %s"
    eventually(lambda: database.one(analysed, name(-1)))
    grow(99)
    assert seal(dewey_url).indexed == []
    grow(300)
    assert seal(dewey_url).indexed == [f"{name(-1)}_{kind}_120159" for kind in ("data", "text")]
    assert parts()[0] == [("00:00:00", "12:01:59"), ("12:01:59", "12:08:38")]
    grow(170)
    assert seal(dewey_url).indexed == [], "the next part is a third of what is indexed"
    assert indexed(dewey_url) == set()


def test_a_partition_in_parts_gets_the_rest_when_it_is_over(
    growing, store, dewey_url, maker, monkeypatch
):
    grow, parts = growing
    grow(200)
    seal(dewey_url)
    grow(50)
    late = maker.row(created_at_us=today_us(12, -1) // HOUR_US * HOUR_US, message="late")
    store.write(batch([late]))
    assert [row.message for row in store.query(LogFilter(search="late")).rows] == ["late"]
    monkeypatch.setattr(dewey_sealing, "OVER_S", 600)
    rest = [f"{name(-1)}_{kind}_120319" for kind in ("data", "text")]
    assert seal(dewey_url) == (rest, [name(-1)])
    assert parts() == ([("00:00:00", "12:03:19"), ("12:03:19", "00:00:00")], [])
    assert indexed(dewey_url) == {name(-1)}
    assert seal(dewey_url) == ([], [])
    needle = LogFilter(search="249")
    assert (store.query(needle).returned, store.query(needle).strategy) == (1, "index")
    assert store.clear(needle, asked_by="a test").records == 1
    assert store.query(needle).returned == 0
    assert name(-1) in drop_expired(dewey_url, 0)


def test_with_live_the_rest_of_a_partition_in_parts_is_indexed_at_once(growing, dewey_url):
    grow, parts = growing
    grow(200)
    seal(dewey_url)
    choose(dewey_url, Layout(search_index="live"))
    assert len(seal(dewey_url).indexed) == 2
    assert parts()[1] == []


def test_a_part_that_was_cut_short_counts_when_it_is_built_again(
    growing, store, dewey_url, database, monkeypatch
):
    grow, parts = growing
    grow(200)
    monkeypatch.setattr(dewey_sealing, "LOCK_TIMEOUT_MS", 100)
    with psycopg.connect(dewey_url) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM logs").fetchall()
        assert seal(dewey_url).indexed == []
    broken = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert database.one(broken) == 2
    assert parts()[0] == []
    assert store.query(LogFilter(search="199")).strategy == "scan"
    grow(50)
    names = [f"{name(-1)}_{kind}_000000" for kind in ("data", "text")]
    assert seal(dewey_url).indexed == names
    assert database.one(broken) == 0
    assert parts()[0] == [("00:00:00", "12:03:19")], "the same stretch as before"
    database.connection.execute(f"DROP INDEX {names[1]}")  # as if it had never come to that
    assert parts()[0] == []
    assert seal(dewey_url).indexed == names[1:]
    assert parts()[0] == [("00:00:00", "12:03:19")]


def test_writers_and_readers_go_on_while_a_partition_is_sealed(store, dewey_url, database, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US + n) for n in range(3_000)]))
    stop = threading.Event()
    written: list[int] = []

    def work() -> None:
        with open_store(dewey_url) as other:
            while not stop.is_set():
                at = maker.now_us - DAY_US + 5_000 + len(written)
                written.append(other.write(batch([maker.row(created_at_us=at)])).stored)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        eventually(lambda: len(written) > 3)
        with psycopg.connect(dewey_url) as old:  # a snapshot older than the index delays it
            old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            old.execute("SELECT count(*) FROM logs").fetchall()
            sealing = threading.Thread(target=seal, args=(dewey_url,))
            sealing.start()
            eventually(
                lambda: database.rows(
                    "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%'"
                    " AND wait_event_type = 'Lock'"
                )
            )
            before = len(written)
            eventually(lambda: len(written) > before + 3)
            assert store.query(LogFilter(limit=1)).returned == 1
        sealing.join(60)
    finally:
        stop.set()
        writer.join(60)
    assert not sealing.is_alive()
    assert indexed(dewey_url) == {name(-1)}
    assert sum(written) == len(written)


def test_nothing_is_built_for_nothing_whoever_holds_an_old_snapshot(
    store, dewey_url, reader_url, database, maker, monkeypatch
):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
    monkeypatch.setattr(dewey_sealing, "PATIENCE_S", 0.1)
    monkeypatch.setattr(dewey_sealing, "LOCK_TIMEOUT_MS", 100)
    database.connection.execute("CREATE ROLE caretaker LOGIN; GRANT dewey_owner TO caretaker")
    try:
        url = logged_in(dewey_url, "caretaker")
        with psycopg.connect(reader_url) as old:  # how old it is the caretaker cannot see
            old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            old.execute("SELECT count(*) FROM logs").fetchall()
            assert seal(url) == ([], [])
            assert database.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
        assert len(seal(url).indexed) == 2
    finally:
        database.connection.execute("DROP ROLE caretaker")


def test_an_index_that_was_cut_short_is_built_again(store, dewey_url, database, maker, monkeypatch):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
    monkeypatch.setattr(dewey_sealing, "LOCK_TIMEOUT_MS", 100)
    with psycopg.connect(dewey_url) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM logs").fetchall()
        assert seal(dewey_url).indexed == []
    broken = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert database.one(broken) >= 1
    assert indexed(dewey_url) == set()
    assert seal(dewey_url).indexed == [f"{name(-1)}_data", f"{name(-1)}_text"]
    assert database.one(broken) == 0


def test_indexes_that_filled_in_no_order_are_packed(store, dewey_url, database, maker):
    for n in range(20):
        day_us = maker.now_us - DAY_US + n * 1_000
        traces = [str(uuid.uuid4()) for _ in range(1_000)]
        rows = [maker.row(created_at_us=day_us + i, trace_id=t) for i, t in enumerate(traces)]
        store.write(batch(rows))
    size = f"SELECT pg_relation_size('{name(-1)}_trace_id_created_at_idx')"
    before = database.one(size)
    database.connection.execute(
        f"CREATE INDEX CONCURRENTLY cut_ccnew1 ON {name(-1)} (component, created_at)"
    )
    database.connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'cut_ccnew1'::regclass"
    )
    assert seal(dewey_url).vacuumed == [name(-1)]
    assert database.one(size) < 0.9 * before
    assert database.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert database.one("SELECT to_regclass('cut_ccnew1') IS NULL")


def test_one_process_at_a_time_seals(store, dewey_url, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
    with psycopg.connect(dewey_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('dewey'), hashtext('sealing'))")
        assert seal(dewey_url) == ([], [])
    assert seal(dewey_url).indexed


def test_shorter_partitions_are_made_from_now_on_and_for_late_records_of_today(
    store, dewey_url, database, maker
):
    for part in partitions(dewey_url):
        database.connection.execute(f"DROP TABLE {part.name}")
    choose(dewey_url, Layout(partition_interval="6h"))
    made = ensure(dewey_url)
    assert ensure(dewey_url) == []
    assert len(made) in (4, 5)  # from now to the same time tomorrow
    now = datetime.now(UTC)
    assert made[0] == f"logs_{now:%Y%m%d}_{now.hour // 6 * 6:02}"
    times = [today_us(hour) for hour in range(24)] + [today_us(12, -2), today_us(12, 2)]
    assert store.write(batch([maker.row(created_at_us=at) for at in times])).stored == len(times)
    names = {part.name for part in partitions(dewey_url)}
    assert {f"{name(0)}_{hour:02}" for hour in (0, 6, 12, 18)} <= names
    assert name(-2) in names, "of a day that is over there is little: it stays whole"
    assert f"{name(2)}_12" in names
    assert not list(verify(dewey_url))


def test_another_interval_leaves_what_there_is_and_never_overlaps(
    store, dewey_url, database, maker
):
    choose(dewey_url, Layout(partition_interval="6h"))
    database.connection.execute(f"DROP TABLE {name(1)}")
    store.write(batch([maker.row(created_at_us=today_us(7, 1)), maker.row()]))
    choose(dewey_url, Layout(partition_interval="1d"))
    ensure(dewey_url)
    store.write(batch([maker.row(created_at_us=today_us(hour, 1)) for hour in (0, 7, 23)]))
    names = {part.name for part in partitions(dewey_url)}
    assert {name(0), f"{name(1)}_00", f"{name(1)}_06", f"{name(1)}_23"} <= names
    assert name(1) not in names
    assert database.one("SELECT count(*) FROM logs") == 5


def test_shorter_partitions_are_dropped_with_their_day(store, dewey_url, database, maker):
    choose(dewey_url, Layout(partition_interval="1h"))
    with database.connection.transaction():  # as if it had been today, when they were made
        for hour in (3, 4):
            at = datetime.fromtimestamp(today_us(hour, -9) / 1e6, UTC).replace(minute=0, second=0)
            part = f"{name(-9)}_{hour:02}"
            database.connection.execute(f"CREATE TABLE {part} (LIKE logs INCLUDING ALL)")
            database.connection.execute(
                f"ALTER TABLE logs ATTACH PARTITION {part}"
                f" FOR VALUES FROM ('{at}') TO ('{at + timedelta(hours=1)}')"
            )
    assert drop_expired(dewey_url, 9) == []
    assert drop_expired(dewey_url, 8) == [f"{name(-9)}_03", f"{name(-9)}_04"]


def test_whoever_may_not_build_indexes_is_told_so(store, dewey_url, database, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - DAY_US)]))
    database.connection.execute("CREATE ROLE stranger LOGIN")
    try:
        database.connection.execute("GRANT dewey_reader TO stranger")
        url = dewey_url.replace("user=godot", "user=stranger")
        with pytest.raises(SchemaProblem, match="must be owner of table"):
            seal(url)
    finally:
        database.connection.execute("DROP OWNED BY stranger; DROP ROLE stranger")
