"""What one write leaves in the tables: every column, the ledger, and nothing twice."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from dewey_logs import Batch, Dropped, EntryRun, Unavailable, WriteResult, open_store
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, reject


def test_every_column_of_a_row_is_stored_as_given(store, database, maker):
    row = maker.row(
        level="WARN",
        message="größer ☃ 'quoted' \\ \n\ttab",
        trace_id="4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        data='{"ü":[1,2.5,null,"\\u2603"],"big":18446744073709551615}'.encode(),
    )
    assert store.write(batch([row])) == WriteResult(stored=1)
    [(created, pattern, key, level, component, trace, message, data)] = database.rows(
        "SELECT * FROM logs"
    )
    assert created == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.created_at_us)
    assert pattern is not None
    assert (key.bytes, level, component) == (row.id, "WARN", "shop.api")
    assert (trace, message) == (row.trace_id, row.message)
    assert data == {"ü": [1, 2.5, None, "☃"], "big": 18446744073709551615}


def test_missing_trace_and_data_are_null(store, database, maker):
    store.write(batch([maker.row(trace_id=None, data=None)]))
    assert database.rows("SELECT trace_id, data FROM logs") == [(None, None)]


def test_a_thousand_rows_are_one_transaction_and_one_range(store, database, maker):
    rows = maker.rows(1_000)
    assert store.write(batch(rows)).stored == 1_000
    assert database.one("SELECT count(DISTINCT xmin::text) FROM logs") == 1
    assert database.rows("SELECT producer, kind, seqs::text FROM logs_ledger") == [
        (77, "stored", "{[1,1001)}")
    ]


@pytest.mark.parametrize("maybe_known", [False, True])
def test_a_batch_written_again_is_all_duplicates(store, database, maker, maybe_known):
    rows = maker.rows(50)
    store.write(batch(rows))
    again = store.write(batch(rows, maybe_known=maybe_known))
    assert again == WriteResult(stored=0, duplicates=50)
    assert database.one("SELECT count(*) FROM logs") == 50
    assert database.ledger() == {(77, "stored"): set(range(1, 51))}
    assert database.duplicates() == set(range(1, 51))


@pytest.mark.parametrize("maybe_known", [False, True])
def test_known_rows_among_new_ones_are_counted_and_the_new_ones_stored(
    store, database, maker, maybe_known
):
    known, new = maker.rows(20), maker.rows(30)
    store.write(batch(known))
    mixed = [row for pair in zip(known, new, strict=False) for row in pair] + new[20:]
    result = store.write(batch(mixed, maybe_known=maybe_known))
    assert result == WriteResult(stored=30, duplicates=20)
    assert database.one("SELECT count(*) FROM logs") == 50


@pytest.mark.parametrize("maybe_known", [False, True])
def test_equal_ids_inside_a_batch_are_one_row(store, database, maker, maybe_known):
    first, second = maker.row(), maker.row()
    result = store.write(batch([first, second, first, first], maybe_known=maybe_known))
    assert result == WriteResult(stored=2, duplicates=2)
    assert sorted(database.stored_ids()) == sorted([first.id, second.id])


def test_a_row_counts_as_stored_although_a_dead_letter_beside_it_has_its_id(store, database, maker):
    row = maker.row()
    letter = reject(row.id, producer=row.producer, sequence=row.sequence)
    result = store.write(batch([row, row], rejects=(letter,)))
    assert (result.stored, result.duplicates, len(result.rejects)) == (1, 1, 1)
    assert database.ledger() == {(77, "stored"): {1}, (77, "rejected"): {1}}


def test_an_empty_batch_needs_no_server():
    with open_store("postgresql:///nowhere?host=/nonexistent") as store:
        assert store.write(Batch(stream="test")) == WriteResult(stored=0)


def test_rejects_receipts_and_runs_are_written_without_any_row(store, database):
    result = store.write(
        Batch(
            stream="test",
            rejects=(reject(b"r" * 16, producer=5, sequence=9),),
            dropped=(Dropped(5, ((1, 4), (7, 7))),),
            runs=(EntryRun((1, 0), (1, 2), 3),),
        )
    )
    assert result.stored == 0
    assert len(result.rejects) == 1
    assert database.ledger() == {(5, "rejected"): {9}, (5, "dropped"): {1, 2, 3, 4, 7}}
    assert database.one("SELECT sum(n) FROM logs_ledger_entries") == 3


def test_receipts_that_no_producer_can_have_are_left_out(store, database):
    ranges = ((0, 3), (9, 5), (-5, -1), (2**36, 2**36), (1, 2**70), (2**36 - 1, 2**36 - 1))
    store.write(Batch(stream="test", dropped=(Dropped(5, ranges),)))
    assert database.ledger() == {(5, "dropped"): {2**36 - 1}}


def test_foreign_records_have_no_numbers_in_the_ledger(store, database, maker):
    store.write(batch([maker.row(producer=None, sequence=None)]))
    assert database.ledger() == {}


def test_each_producer_has_its_own_ranges(store, database):
    rows = [maker.row() for maker in (Maker(1), Maker(2), Maker(3)) for _ in range(5)]
    store.write(batch(rows))
    assert database.ledger() == {(n, "stored"): {1, 2, 3, 4, 5} for n in (1, 2, 3)}


def test_a_dead_letter_keeps_its_fields_byte_for_byte_and_in_order(store, database):
    raw = [b"message", b"\x00\xff\xfe raw", b"", b"", b"message", b"", b"\xc3", bytes(range(256))]
    made = reject(b"r" * 16, reason="why\x00 \ud800", sqlstate="22021", producer=3, sequence=4)
    made = msgspec.structs.replace(
        made, source=msgspec.structs.replace(made.source, raw=raw, deliveries=3)
    )
    store.write(Batch(stream="test", rejects=(made,)))
    [(names, values, reason, state, deliveries, sqlstate, stream)] = database.rows(
        "SELECT field_names, field_values, reason, state, deliveries, sqlstate, stream"
        " FROM logs_rejected"
    )
    assert (names, values) == (raw[::2], raw[1::2])
    assert (reason, state, deliveries, sqlstate, stream) == (
        "why\ufffd ?",
        "open",
        3,
        "22021",
        "test",
    )


def test_a_dead_letter_redelivered_stays_one_and_keeps_its_state(store, database):
    letter = reject(b"r" * 16, producer=5, sequence=9)
    store.write(Batch(stream="test", rejects=(letter,)))
    database.connection.execute("UPDATE logs_rejected SET state = 'dropped'")
    store.write(Batch(stream="test", rejects=(letter,)))
    assert database.rows("SELECT state FROM logs_rejected") == [("dropped",)]


def test_a_record_past_retention_is_counted_and_no_day_is_made_for_it(dewey_url, database, maker):
    old = maker.row(created_at_us=maker.now_us - 9 * DAY_US)
    new = maker.row()
    with open_store(dewey_url, retention_days=7) as store:
        assert store.write(batch([old, new])) == WriteResult(stored=1, expired=1)
    assert database.stored_ids() == [new.id]
    assert database.ledger() == {(77, "expired"): {1}, (77, "stored"): {2}}
    day = datetime.fromtimestamp(old.created_at_us / 1e6, UTC)
    assert database.one("SELECT to_regclass(%s)", f"logs_{day:%Y%m%d}") is None


def test_a_longer_retention_makes_the_day_instead(dewey_url, database, maker):
    old = maker.row(created_at_us=maker.now_us - 9 * DAY_US)
    with open_store(dewey_url, retention_days=30) as store:
        assert store.write(batch([old])) == WriteResult(stored=1)
    assert database.stored_ids() == [old.id]


def test_a_day_counts_as_kept_until_its_last_record_is_old_enough(dewey_url, database, maker):
    midnight = maker.now_us // DAY_US * DAY_US
    kept = maker.row(created_at_us=midnight - 7 * DAY_US)
    expired = maker.row(created_at_us=midnight - 7 * DAY_US - 1)
    with open_store(dewey_url, retention_days=7) as store:
        result = store.write(batch([kept, expired]))
    assert (result.stored, result.expired) == (1, 1)
    assert database.stored_ids() == [kept.id]


@pytest.mark.parametrize("maybe_known", [False, True])
def test_a_missing_day_is_made_and_no_record_becomes_a_dead_letter(
    store, database, maker, maybe_known
):
    today = datetime.fromtimestamp(maker.now_us / 1e6, UTC)
    database.connection.execute(f"DROP TABLE logs_{today:%Y%m%d}")
    rows = [*maker.rows(10), maker.row(created_at_us=maker.now_us + 20 * DAY_US)]
    assert store.write(batch(rows, maybe_known=maybe_known)) == WriteResult(stored=11)
    assert database.one("SELECT count(*) FROM logs") == 11


def test_a_day_that_cannot_be_is_refused_and_its_neighbours_stored(store, database, maker):
    far = maker.row(created_at_us=maker.now_us + 400 * DAY_US)
    rows = [*maker.rows(5), far, *maker.rows(5)]
    result = store.write(batch(rows))
    assert result.stored == 10
    assert [r.id for r in result.rejects] == [far.id]
    assert "too far from now" in result.rejects[0].reason
    assert database.ledger() == {
        (77, "rejected"): {1},
        (77, "stored"): set(range(2, 12)),
    }


def test_two_stores_with_the_same_rows_store_each_once(dewey_url, database, maker):
    """Fresh against staged, in opposite orders: a deadlock is an outage, and so repeated."""
    made = [maker.rows(200) for _ in range(10)]
    counts: list[WriteResult] = []

    def write_all(known: bool, order: int) -> None:
        with open_store(dewey_url) as store:
            for rows in made[::order]:
                for _ in range(5):
                    try:
                        counts.append(store.write(batch(rows[::order], maybe_known=known)))
                    except Unavailable:
                        continue
                    break

    threads = [
        threading.Thread(target=write_all, args=args)
        for args in ((False, 1), (False, -1), (True, 1), (True, -1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(counts) == 40
    assert sum(result.stored for result in counts) == 2_000
    assert sum(result.duplicates for result in counts) == 6_000
    assert database.rows("SELECT count(*), count(DISTINCT id) FROM logs") == [(2_000, 2_000)]


def test_the_session_waits_for_the_disk_and_names_itself(dewey_url, database, maker):
    database.connection.execute(
        "ALTER DATABASE " + database.connection.info.dbname + " SET synchronous_commit = off"
    )
    with open_store(dewey_url, application_name="godot-worker") as store:
        store.write(batch([maker.row()]))
        session = store._writer._connection  # type: ignore[attr-defined]  # Store is a protocol
        assert session.execute("SHOW synchronous_commit").fetchone() == ("on",)
        state = database.rows(
            "SELECT state FROM pg_stat_activity WHERE application_name = 'godot-worker'"
        )
    assert state == [("idle",)]
