"""What metrics tell of the store: sizes, times, and how far ahead there are partitions."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from dewey_logs import DeadLetterFilter, open_store
from dewey_logs.measures import measures
from tests.integration.dewey_logs.conftest import Maker, batch, reject

ALL = DeadLetterFilter()


def midnight(days_ahead: int) -> float:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=days_ahead)).timestamp()


def drop(database, days_ahead: int) -> None:
    day = datetime.now(UTC) + timedelta(days=days_ahead)
    database.connection.execute(f"DROP TABLE logs_{day:%Y%m%d}")


def test_the_horizon_is_the_first_day_that_is_missing_and_not_the_last_that_is_there(
    dewey_url, database
):
    with open_store(dewey_url) as store:
        assert store.measures().horizon == midnight(4)
        drop(database, 1)
        assert store.measures().horizon == midnight(1)
        drop(database, 0)
        assert store.measures().horizon == pytest.approx(time.time(), abs=60)


def test_an_empty_store_has_no_times_and_a_filled_one_has_its_ends(writer_url, reader_url):
    maker = Maker()
    with open_store(writer_url, reader_url=reader_url) as store:
        found = store.measures()
        assert (found.records, found.oldest, found.newest) == (0, None, None)
        assert (found.dead_letters, found.oldest_dead_letter) == (0, None)
        assert found.partitions == 11
        rows = maker.rows(20)
        bad = reject(maker.row().id)
        began = time.time()
        store.write(batch(rows, rejects=(bad,)))
        found = store.measures()
        assert found.oldest == pytest.approx(rows[0].created_at_us / 1e6)
        assert found.newest == pytest.approx(rows[-1].created_at_us / 1e6)
        assert found.table_bytes > 0
        assert found.index_bytes > 0
        assert found.dead_letters == 1
        assert found.oldest_dead_letter == pytest.approx(began, abs=60)
        store.drop_dead_letters([row.id for row in store.dead_letters(ALL)])
        assert store.measures().dead_letters == 0


def test_records_are_those_that_postgresql_estimates(dewey_url, database):
    with open_store(dewey_url) as store:
        store.write(batch(Maker().rows(200)))
        database.connection.execute("ANALYZE logs")
        assert store.measures().records == 200


def test_dead_letters_are_counted_up_to_a_limit_only(dewey_url, database, monkeypatch):
    monkeypatch.setattr("dewey_logs.measures.MAX_LETTERS", 3)
    maker = Maker()
    with open_store(dewey_url) as store:
        store.write(batch([], rejects=tuple(reject(maker.row().id) for _ in range(5))))
    assert measures(database.connection).dead_letters == 3
