"""A record resent has another entry and another entry time: it stays one row all the same."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from clientlib import LogRecord
from tests.integration.worker.conftest import Bench, eventually

NOW = datetime.now(UTC)


def add(bench: Bench, record: LogRecord, at: datetime | None = None) -> None:
    """Append, as if the stream's clock said `at`."""
    entry = "*" if at is None else f"{int(at.timestamp() * 1000)}-*"
    bench.redis.xadd(bench.settings.stream, dict(record.fields()), id=entry)


@pytest.mark.parametrize("together", [True, False])
def test_a_record_outside_the_window_stays_one_row(bench: Bench, working, settings, together):
    before, after = NOW - timedelta(days=9), NOW + timedelta(days=3)
    (second_moved,) = bench.records(1, created_at=before)
    (both_moved,) = bench.records(1, created_at=NOW - timedelta(days=60))
    (first_moved,) = bench.records(1, created_at=after)
    with working(msgspec.structs.replace(settings, retention_days=90)):
        add(bench, second_moved, before)
        add(bench, both_moved)
        add(bench, first_moved)
        if not together:
            eventually(bench.settled, "the first copies")
        add(bench, second_moved)
        add(bench, both_moved)
        add(bench, first_moved, after)
        eventually(bench.settled, "the second copies")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(3, 3)]
    assert bench.sql("SELECT count(*) FROM logs WHERE data ? 'godot'") == [(2,)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    found = bench.audited()
    assert (found.total.stored, found.total.duplicates, found.clean) == (3, 3, True)


@pytest.mark.parametrize("together", [True, False])
def test_honest_records_of_a_wrong_stream_clock_are_stored_under_their_own_time(
    bench: Bench, working, settings, together
):
    """Sent once or twice, by a clock that is wrong beyond what is kept or made, wrong, or right."""
    clocks = [NOW - timedelta(days=10), NOW - timedelta(days=3), NOW, NOW + timedelta(days=40)]
    copies = [*itertools.combinations(clocks, 1), *itertools.combinations(clocks, 2)]
    records = bench.records(len(copies))
    with working(settings):
        for clock in clocks:
            for record, sent in zip(records, copies, strict=True):
                if clock in sent:
                    add(bench, record, clock)
            if not together:
                eventually(bench.settled, "the copies of one clock")
        eventually(bench.settled, "all copies")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(10, 10)]
    assert bench.sql("SELECT reason FROM logs_rejected") == []
    moved = sum(sent[0] == clocks[1] for sent in copies)  # three days ago is an acceptable time
    off = "now() - created_at > '1 hour'"
    assert bench.sql(f"SELECT count(*) FROM logs WHERE {off}") == [(moved,)]
    assert bench.sql(f"SELECT count(*) FROM logs WHERE data ? 'godot' AND {off}") == [(moved,)]
    assert bench.sql("SELECT count(*) FROM logs WHERE data ? 'godot'") == [(moved,)]
    assert bench.sql("SELECT count(*) FROM logs WHERE data ? 'i'") == [(10,)]
    found = bench.audited()
    assert (found.total.stored, found.total.expired, found.clean) == (10, 0, True)


def test_a_record_past_retention_is_stored_for_no_one_and_no_day_is_made(
    bench: Bench, working, settings
):
    created_at = NOW - timedelta(days=20)
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'logs'::regclass"
    before = bench.sql(days)
    for record in bench.records(3, created_at=created_at):
        add(bench, record, created_at)
    bench.append(bench.records(5))
    with working(settings) as worker:
        eventually(bench.settled, "everything settled")
        counted = worker.registry.get_sample_value(
            "godot_worker_records_total", {"outcome": "expired"}
        )
    assert counted == 3
    assert bench.stored() == 5
    assert bench.sql(days) == before
    found = bench.audited()
    assert (found.total.expired, found.total.stored, found.clean) == (3, 5, True)


def test_a_missing_day_is_made_and_costs_no_dead_letter(bench: Bench, working, settings):
    with working(settings):
        bench.append(bench.records(20))
        eventually(bench.settled, "the path to work")
        bench.change(f"DROP TABLE logs_{datetime.now(UTC):%Y%m%d}")
        bench.append(bench.records(20))
        eventually(bench.settled, "the records of a day that is not there")
    assert bench.stored() == 20
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
