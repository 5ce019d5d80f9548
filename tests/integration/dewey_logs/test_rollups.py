"""Rollups and patterns say what is in the log, whatever happened on the way there."""

from __future__ import annotations

import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from dewey_logs import Unavailable, open_store
from dewey_logs.maintenance import forget, maintain, merge_rollups, verify
from dewey_logs.migrations import migrate
from dewey_logs.statements import folder
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch

MINUTE_US = 60_000_000


def counted(database) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (component, level): (int(n), int(size))
        for component, level, n, size in database.rows(
            "SELECT component, level::text, sum(n), sum(bytes) FROM logs_rollup GROUP BY 1, 2"
        )
    }


def test_every_record_is_counted_by_minute_level_and_component(store, database, maker, dewey_url):
    base = maker.now_us // MINUTE_US * MINUTE_US
    store.write(
        batch(
            [
                maker.row(created_at_us=base, message="später"),
                maker.row(created_at_us=base + 1, message="ok"),
                maker.row(created_at_us=base + MINUTE_US, message="ok", level="ERROR"),
                maker.row(created_at_us=base - 1, message="ok", component="web"),
            ]
        )
    )
    assert counted(database) == {
        ("shop.api", "INFO"): (2, 9),
        ("shop.api", "ERROR"): (1, 2),
        ("web", "INFO"): (1, 2),
    }
    assert database.one("SELECT count(*) FROM logs_rollup") == 3
    assert list(verify(dewey_url)) == []


def test_patterns_are_told_once_and_stand_in_every_row(store, database, maker, dewey_url):
    for _ in range(3):
        store.write(batch(maker.rows(50)))  # message 1, message 2, …
    ((pattern, template, sample),) = database.rows(
        "SELECT pattern, template, sample FROM logs_pattern"
    )
    assert template == "message <*>"
    assert database.rows("SELECT pattern, count(*) FROM logs GROUP BY 1") == [(pattern, 150)]
    assert database.rows("SELECT pattern, sum(n) FROM logs_pattern_rollup GROUP BY 1") == [
        (pattern, 150)
    ]
    assert database.one("SELECT count(*) FROM logs WHERE id = %s", sample) == 1
    with open_store(dewey_url) as another:
        another.write(batch(maker.rows(5)))
    assert database.one("SELECT count(*) FROM logs_pattern") == 1


def test_a_store_that_was_restored_without_a_pattern_is_told_it_again(store, database, maker):
    """It is another one, from an older backup; so is the connection."""
    store.write(batch(maker.rows(1)))
    database.rows("DELETE FROM logs_pattern RETURNING pattern")
    database.rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    rows = maker.rows(1)
    with pytest.raises(Unavailable):
        store.write(batch(rows))
    store.write(batch(rows))
    assert database.rows("SELECT template FROM logs_pattern") == [("message <*>",)]


def test_what_is_not_inserted_is_not_counted(store, database, maker, dewey_url):
    rows = maker.rows(20)
    store.write(batch(rows))
    store.write(batch(rows, maybe_known=True))
    store.write(batch([*rows[:5], *maker.rows(5)]))
    store.write(batch([*maker.rows(2), maker.row(message="nul \0")]))
    store.write(batch([maker.row(created_at_us=maker.now_us - 30 * DAY_US)]))
    assert database.one("SELECT sum(n) FROM logs_rollup") == 27
    assert database.one("SELECT sum(n) FROM logs_pattern_rollup") == 27
    assert list(verify(dewey_url)) == []


def test_a_transaction_that_fails_at_its_end_leaves_no_count(store, database, maker):
    database.connection.execute("ALTER TABLE logs_ledger ADD CONSTRAINT never CHECK (producer < 0)")
    with pytest.raises(Unavailable):
        store.write(batch(maker.rows(5)))
    assert database.one("SELECT count(*) FROM logs_rollup") == 0
    assert database.one("SELECT count(*) FROM logs_pattern") == 0
    database.connection.execute("ALTER TABLE logs_ledger DROP CONSTRAINT never")
    store.write(batch(maker.rows(5)))  # and the pattern is told, although it was met before
    assert database.one("SELECT count(*) FROM logs_pattern") == 1


def test_two_writers_that_meet_the_same_new_patterns_do_not_hold_each_other_up(database, dewey_url):
    def work(producer: int) -> int:
        maker = Maker(producer)
        words = [chr(97 + n % 26) * (1 + n // 26) for n in range(200)]
        if producer % 2:
            words.reverse()
        with open_store(dewey_url) as store:
            return sum(
                store.write(
                    batch([maker.row(message=word) for word in words[start : start + 20]])
                ).stored
                for start in range(0, 200, 20)
            )

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [200] * 4
    assert database.one("SELECT count(*) FROM logs_pattern") == 200
    assert list(verify(dewey_url)) == []


def test_merging_leaves_one_row_of_each_and_changes_no_sum(store, database, maker, dewey_url):
    for _ in range(10):
        store.write(batch(maker.rows(10, created_at_us=maker.now_us)))
    before = counted(database)
    assert merge_rollups(dewey_url) >= 18
    assert counted(database) == before
    assert database.one("SELECT count(*) FROM logs_rollup") == 1
    assert database.one("SELECT count(*) FROM logs_pattern_rollup") == 1
    assert merge_rollups(dewey_url) == 0
    assert list(verify(dewey_url)) == []


def test_hours_are_what_their_minutes_add_up_to_however_often_they_are_merged(
    store, database, maker, dewey_url
):
    base = maker.now_us // (60 * MINUTE_US) * 60 * MINUTE_US - 60 * MINUTE_US

    def hours() -> list[tuple]:
        return database.rows("SELECT level::text, component, n, bytes FROM logs_rollup_hour")

    for start in (0, 20, 40):
        for minute in (0, 7, 7, 59):
            us = base + minute * MINUTE_US
            store.write(batch(maker.rows(5, created_at_us=us, message="1234")))
        merge_rollups(dewey_url)
        assert hours() == [("INFO", "shop.api", start + 20, 4 * (start + 20))]
        assert merge_rollups(dewey_url) == 0
    assert database.rows("SELECT n, merged FROM logs_rollup ORDER BY minute") == [
        (15, True),
        (30, True),
        (15, True),
    ]
    assert database.rows("SELECT n, merged FROM logs_pattern_rollup") == [(60, True)]
    assert list(verify(dewey_url)) == []
    database.connection.execute("UPDATE logs_rollup_hour SET n = n - 1")
    assert [(d.what, d.told, d.found) for d in verify(dewey_url)] == [
        ("hour INFO shop.api", 59, 60)
    ]


def test_a_wrong_count_is_found(store, database, maker, dewey_url):
    store.write(batch(maker.rows(10, created_at_us=maker.now_us)))
    database.connection.execute("UPDATE logs_rollup SET n = n + 1")
    database.connection.execute("DELETE FROM logs_pattern_rollup")
    pattern, told = sorted(verify(dewey_url), key=lambda found: found.told)
    assert (told.what, told.told, told.found) == ("INFO shop.api", 11, 10)
    assert (pattern.told, pattern.found) == (0, 10)


def test_counts_and_patterns_go_with_their_day(database, maker, dewey_url):
    with open_store(dewey_url, retention_days=6) as store:
        store.write(
            batch(
                [
                    maker.row(created_at_us=maker.now_us - 5 * DAY_US, message="old"),
                    maker.row(message="new"),
                ]
            )
        )
    forget(dewey_url, 6)
    merge_rollups(dewey_url)
    assert database.one("SELECT count(*) FROM logs_rollup") == 2
    maintain(dewey_url, 3)
    assert database.one("SELECT count(*) FROM logs_rollup") == 1
    assert database.one("SELECT count(*) FROM logs_rollup_hour") == 1
    assert database.one("SELECT count(*) FROM logs_pattern_rollup") == 1
    assert database.rows("SELECT template FROM logs_pattern") == [("new",)]
    assert list(verify(dewey_url)) == []


def test_what_was_there_before_is_counted_by_the_migration(postgres_server, tmp_path: Path, maker):
    where = tmp_path / "migrations"
    shutil.copytree(folder() / "migrations", where)
    later = [path for path in where.iterdir() if path.name[:4] >= "0004"]
    for path in later:
        path.rename(tmp_path / path.name)
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = postgres_server.url(name)
        migrate(url, where=where)
        with psycopg.connect(url, autocommit=True) as old:
            old.execute("SELECT dewey_ensure_partition(now())")
            old.execute(
                "INSERT INTO logs (created_at, id, level, component, message)"
                " SELECT now(), gen_random_uuid(), 'WARN', 'old', 'über ' || n"
                " FROM generate_series(1, 50) n"
            )
        migrate(url)
        with open_store(url) as store:
            store.write(batch(maker.rows(10)))
        assert list(verify(url)) == []
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
