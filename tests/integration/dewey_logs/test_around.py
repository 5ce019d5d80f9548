"""Records around a record, a trace from its beginning, and everything that matches in one go."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
import uuid
from uuid import UUID

import msgspec
import psycopg
import pytest

from clientlib import MAX_DATA_BYTES, MAX_MESSAGE_BYTES
from dewey_logs import BadFilter, LogFilter, QueryTimeout, Unavailable, budget, open_store, sizes
from dewey_logs.filters import Conditions
from dewey_logs.readers import MAX_EXPORTS
from dewey_logs.sealing import seal
from dewey_logs.statements import statement
from dewey_logs.times import from_micros, rfc3339
from godot.embedded.plan import READER
from tests.conftest import copied, logged_in
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, eventually


def key(row) -> str:
    return str(UUID(bytes=row.id))


def ids(records) -> list[str]:
    return [record.id for record in records]


@pytest.fixture
def rows(store, maker):
    return some(store, maker)


@pytest.fixture(scope="module")
def filled(postgres_server, _template):
    """A store for those tests that only ask, and its rows."""
    with copied(postgres_server, _template) as url, open_store(url) as store:
        yield store, some(store, Maker())


def some(store, maker):
    """Store rows over midnight and with several in one microsecond; return them in order."""
    midnight = maker.now_us // DAY_US * DAY_US
    made = [
        maker.row(
            created_at_us=midnight - 50 + i // 3,
            component=("api", "web")[i % 2],
            trace_id=f"trace-{i % 5:08}" if i % 7 else None,
        )
        for i in range(300)
    ]
    store.write(batch(made))
    return sorted(made, key=lambda row: (row.created_at_us, row.id))


# --------------------------------------------------------------------------------------- context


@pytest.mark.parametrize("position", [0, 3, 148, 149, 150, 298, 299])
@pytest.mark.parametrize(("before", "after"), [(10, 10), (0, 2), (500, 500)])
def test_the_neighbours_are_those_in_the_logs_own_order(filled, position, before, after):
    store, rows = filled
    row = rows[position]
    found = store.context(key(row), from_micros(row.created_at_us), before=before, after=after)
    low = max(0, position - before)
    assert ids(found.rows) == [key(r) for r in rows[low : position + after + 1]]
    assert found.rows[found.position].id == key(row)
    assert found.more_before == (position > before)
    assert found.more_after == (len(rows) - 1 - position > after)
    assert found.truncated == (found.more_before or found.more_after)
    assert (found.returned, found.strategy) == (len(found.rows), "time")


@pytest.mark.parametrize("same", ["component", "trace"])
def test_neighbours_may_be_of_the_same_kind_only(filled, same):
    store, rows = filled
    row = rows[150]
    found = store.context(key(row), from_micros(row.created_at_us), before=4, after=4, same=same)
    name = {"component": "component", "trace": "trace_id"}[same]
    alike = [r for r in rows if getattr(r, name) == getattr(row, name)]
    position = alike.index(row)
    assert ids(found.rows) == [key(r) for r in alike[position - 4 : position + 5]]


@pytest.mark.parametrize("same", [None, "component"])
def test_neighbours_beyond_so_many_bytes_are_left_out_and_told(store, maker, monkeypatch, same):
    monkeypatch.setattr(sizes, "MAX_BYTES", 100_000)
    made = [maker.row(message="x" * 30_000) for _ in range(20)]
    store.write(batch(made))
    keys = [str(UUID(bytes=row.id)) for row in made]
    found = store.context(keys[10], before=10, after=2, same=same)
    assert [row.id for row in found.rows] == keys[7:13]
    assert (found.position, found.returned) == (3, 6)
    assert (found.truncated, found.more_before, found.more_after) == (True, True, True)
    found = store.context(keys[17], before=1, after=10, same=same)
    assert ([row.id for row in found.rows], found.more_after) == (keys[16:], False)


def test_a_record_without_a_trace_has_no_neighbours_in_it(store, maker):
    row = maker.row(trace_id=None)
    store.write(batch([row]))
    with pytest.raises(BadFilter, match="belongs to no trace"):
        store.context(key(row), same="trace")


def test_a_record_is_found_by_its_id_alone(store, maker):
    plain = maker.row(created_at_us=maker.now_us // 1000 * 1000 + 999)
    near = maker.row(created_at_us=maker.now_us - 5_000_000)
    own = maker.row(created_at_us=maker.now_us - 30 * DAY_US)
    moved = maker.moved(own, maker.now_us - DAY_US)
    foreign = maker.row(id=uuid.uuid4().bytes, created_at_us=maker.now_us - 3 * DAY_US)
    far = maker.row(created_at_us=maker.now_us - 4 * DAY_US)
    senseless = maker.row(id=b"\xff" * 6 + b"\x8f" + b"\xff" * 9)
    made = {"id": (plain, near), "moved": (moved,), "scan": (foreign, far, senseless)}
    store.write(batch([row for group in made.values() for row in group]))
    for strategy, group in made.items():
        for row in group:
            found = store.context(key(row), before=0, after=0)
            assert (found.strategy, ids(found.rows)) == (strategy, [key(row)])
    assert store.context(str(uuid.uuid4())) is None
    assert store.context("e677d21f-dbff-7000-8000-000000000000") is None  # its time is the last one
    cut = from_micros(foreign.created_at_us // 1000 * 1000)  # as shown, to the millisecond
    assert store.context(key(foreign), cut).strategy == "time"
    wrong = from_micros(foreign.created_at_us - DAY_US)
    assert store.context(key(foreign), wrong).strategy == "scan"


# ----------------------------------------------------------------------------------------- trace


def test_a_trace_is_told_from_its_beginning(store, maker, monkeypatch):
    shifts = (0, 1_500, 1_500, 40_000, DAY_US)
    made = [
        maker.row(
            created_at_us=maker.now_us - DAY_US + shift,
            trace_id="checkout-0001",
            component=("web", "api", "web", "bank", "api")[i],
            level="ERROR" if i in (3, 4) else "INFO",
        )
        for i, shift in enumerate(shifts)
    ]
    store.write(batch([*maker.rows(50), *reversed(made)]))
    found = store.trace("checkout-0001")
    assert ids(one.record for one in found.rows) == [key(row) for row in made]
    assert [one.offset_ms for one in found.rows] == [shift / 1000 for shift in shifts]
    assert [one.gap_ms for one in found.rows] == [0, 1.5, 0, 38.5, DAY_US / 1000 - 40]
    assert found.components == ("web", "api", "bank")
    assert found.first_error.id == key(made[3])
    assert found.duration_ms == DAY_US / 1000
    assert (found.matched, found.matched_capped, found.truncated) == (5, False, False)
    with monkeypatch.context() as patch:
        patch.setattr("dewey_logs.traces.MAX_COUNTED", 2)
        capped = store.trace("checkout-0001", limit=2)
    assert (capped.matched, capped.matched_capped, capped.components) == (2, True, ("web", "api"))
    assert (capped.first_error, capped.ended) == (found.first_error, found.ended)
    assert (capped.scan_incomplete, found.scan_incomplete) == (False, False)
    cut = store.trace("checkout-0001", limit=2)
    assert (cut.returned, cut.truncated) == (2, True)
    rest = LogFilter(trace_id="checkout-0001", order="asc", cursor=cut.next_cursor)
    assert ids(store.query(rest).rows) == [key(row) for row in made[2:]]
    for name in ("matched", "duration_ms", "components", "first_error", "started", "ended"):
        assert getattr(cut, name) == getattr(found, name)


def test_an_error_that_is_not_found_in_time_is_not_said_to_be_missing(store, maker, monkeypatch):
    store.write(batch(maker.rows(3, trace_id="checkout-0003")))
    slow = {"trace_first_error": "SELECT pg_sleep(60)"}
    monkeypatch.setattr(budget, "statement", lambda name: slow.get(name) or statement(name))
    monkeypatch.setattr("dewey_logs.traces.ERROR_TIMEOUT_MS", 50)
    found = store.trace("checkout-0003", limit=1)
    assert (found.first_error, found.scan_incomplete, found.matched) == (None, True, 3)


def test_a_trace_that_is_too_big_is_cut_and_still_told_as_a_whole(store, maker, monkeypatch):
    big = {"message": "€" * 1_000, "data": b'{"a":"' + b"x" * 3_000 + b'"}'}
    made = [
        maker.row(
            created_at_us=maker.now_us + i, trace_id="checkout-0002", component=f"c{i}", **big
        )
        for i in range(5)
    ]
    store.write(batch(made))
    for max_bytes, returned in ((100, 1), (12_100, 2), (30_000, 4), (31_000, 5)):
        monkeypatch.setattr("dewey_logs.traces.MAX_BYTES", max_bytes)
        found = store.trace("checkout-0002")
        assert (found.returned, found.truncated) == (returned, returned < 5)
        assert (found.matched, found.components) == (5, ("c0", "c1", "c2", "c3", "c4"))


def test_the_beginning_of_one_trace_will_do_and_that_of_several_will_not(store, maker):
    one, two = "0193e5a1-aaaa-4bbb-8ccc-00000000000a", "0193e5a1-aaab-4bbb-8ccc-00000000000b"
    made = [maker.row(trace_id=trace) for trace in (one, two, "order-001", "order-0011", one)]
    store.write(batch(made))
    assert store.trace("0193e5a1-aaaa").trace_id == one
    assert store.trace("0193e5a1aaab4bbb8ccc00000000000b").trace_id == two
    assert store.trace("0193e5a1aaaa4").returned == 2
    with pytest.raises(BadFilter, match=f"several traces, as {one} and {two}: give more") as caught:
        store.trace("0193e5a1")
    assert "\n" not in str(caught.value)
    assert store.trace("order-001").returned == 1  # exactly that one, although another begins so
    assert store.trace("order-0012") is None


# ---------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_export_is_everything_once_and_in_order_while_rows_arrive(store, rows, dewey_url, order):
    store.write(batch(Maker(8).rows(3_000)))
    with store.export(LogFilter(component=("api",), order=order, limit=1)) as export:
        seen = list(itertools.islice(export, 10))
        with open_store(dewey_url) as writer:
            late = [msgspec.structs.replace(row, component="api") for row in Maker(9).rows(100)]
            writer.write(batch(late))
        seen += export
    expected = [key(row) for row in rows if row.component == "api"]
    assert ids(seen) == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_export_that_was_left_goes_on_in_pages(filled, order):
    store, rows = filled
    wanted = LogFilter(component=("api",), order=order)
    expected = [key(row) for row in rows if row.component == "api"]
    with store.export(wanted) as export:
        none = export.answer()
        seen = ids(itertools.islice(export, 70))
    left = export.answer()
    assert (none.returned, none.truncated, none.next_cursor) == (0, True, None)
    assert (left.returned, left.matched, left.matched_capped) == (70, 70, True)
    assert list(export) == []
    assert export.answer().truncated, "closed is not read to its end"
    rest = store.query(msgspec.structs.replace(wanted, cursor=left.next_cursor, limit=1_000))
    assert seen + ids(rest.rows) == (expected if order == "asc" else expected[::-1])


def exporting(database) -> int:
    return database.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
    )


def test_an_export_fetches_no_more_than_fits_into_memory(store, rows, database):
    with store.export(LogFilter()) as export:
        next(export)
        query = database.one(
            "SELECT query FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    rows_at_once = re.findall(r"FETCH FORWARD (\d+) FROM .*", query)[0]
    assert int(rows_at_once) * (MAX_MESSAGE_BYTES + MAX_DATA_BYTES) < 33_554_432


EXPORTER = """
import resource, sys
from dewey_logs import LogFilter, open_store

def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

with open_store(sys.argv[1]) as store, store.export(LogFilter()) as export:
    for n, record in enumerate(export, 1):
        if n == 2_000:
            before = peak_kb()
print(n, peak_kb() - before)
"""


def test_an_export_of_many_records_keeps_memory_flat(reader_url, database):
    """All of them at once would take 100 MB."""
    database.connection.execute(
        "INSERT INTO logs (created_at, id, level, component, message, data)"
        " SELECT now() + n * interval '1 us', gen_random_uuid(), 'INFO', 'c', repeat('x', 200),"
        " jsonb_build_object('n', n) FROM generate_series(1, 100000) n"
    )
    said = subprocess.run(
        [sys.executable, "-c", EXPORTER, reader_url], capture_output=True, text=True, check=True
    )
    exported, growth_kb = map(int, said.stdout.split())
    assert exported == 100_000
    assert growth_kb < 40_000


def test_a_closed_export_leaves_nothing_open(store, rows, database):
    for _ in range(MAX_EXPORTS + 1):
        export = store.export(LogFilter())
        next(export)
        assert exporting(database) == 1
        export.close()
        export.close()
        eventually(lambda: exporting(database) == 0)
        assert list(export) == []
        store.export(LogFilter()).close()  # never begun


def test_an_export_is_closed_from_another_thread_while_it_waits(store, rows, database):
    slow = store.export(LogFilter(regex="never"))
    database.connection.execute("BEGIN; LOCK TABLE logs")
    ended: list[BaseException] = []

    def read():
        try:
            list(slow)
        except (QueryTimeout, Unavailable) as exc:
            ended.append(exc)

    thread = threading.Thread(target=read)
    thread.start()
    eventually(lambda: database.one("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
    slow.close()
    thread.join(60)
    database.connection.execute("ROLLBACK")
    assert len(ended) == 1
    assert list(store.export(LogFilter())) != []


def test_an_export_that_nobody_holds_any_more_is_over(store, rows, database):
    for _ in range(MAX_EXPORTS):
        store.export(LogFilter())
        next(store.export(LogFilter()))
    assert list(store.export(LogFilter())) != []
    eventually(lambda: exporting(database) == 0)


def test_exports_beyond_a_few_have_to_wait(store, rows):
    running = [store.export(LogFilter()) for _ in range(MAX_EXPORTS)]
    for export in running:
        next(export)
    with pytest.raises(Unavailable, match="exports are running: wait"):
        store.export(LogFilter())
    running[0].close()
    assert len(list(store.export(LogFilter()))) == 300
    running[1].close()


# ----------------------------------------------------------------------------------------- plans


FILLED: set[str] = set()


@pytest.fixture(scope="module")
def many_days(postgres_server, _template):
    """A store's address, and the time of its newest day's records."""
    maker = Maker()
    with copied(postgres_server, _template) as url:
        with open_store(url) as store:
            for day in range(6):
                us = maker.now_us - day * DAY_US
                made = [
                    maker.row(created_at_us=us, trace_id=f"trace-{i // 4:08}") for i in range(2_000)
                ]
                store.write(batch(made))
        seal(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE logs")
        FILLED.clear()
        FILLED.update(f"logs_{from_micros(maker.now_us - day * DAY_US):%Y%m%d}" for day in range(6))
        yield url, maker.now_us


@pytest.fixture
def plans(monkeypatch, many_days):
    """Ask a store of many days for something; return the plans of the statements that it took."""
    found: dict[str, str] = {}
    plain = budget.ask, budget.walk

    def explain(connection, query, bound):
        with connection.cursor() as cursor:
            explained = cursor.execute(psycopg.sql.SQL("EXPLAIN (ANALYZE) ") + query, bound)
            return "\n".join(line for (line,) in explained)

    def ask(connection, name, matching=None, /, *, value="NULL", order="desc", **values):
        query = budget.filled(name, matching or Conditions(), value=value, order=order)
        bound = {**(matching.values if matching else {}), **values}
        found[name] = f"{found.get(name, '')}\n{explain(connection, query, bound)}"
        return plain[0](connection, name, matching, value=value, order=order, **values)

    def walk(connection, name, **values):
        found[name] = explain(connection, budget.filled(name, Conditions()), values)
        return plain[1](connection, name, **values)

    for module in ("context", "traces", "histogram", "summary", "pattern_counts", "facets"):
        monkeypatch.setattr(f"dewey_logs.{module}.ask", ask)
    monkeypatch.setattr(budget, "ask", ask)
    monkeypatch.setattr("dewey_logs.traces.walk", walk)
    monkeypatch.setattr("dewey_logs.pattern_counts.walk", walk)
    with open_store(logged_in(many_days[0], READER)) as store:
        yield store, found


def scanned(plan: str, how: str = "Scan") -> set[str]:
    """Return the partitions with rows that a plan really read."""
    return {
        found[1]
        for line in plan.splitlines()
        if how in line and "never executed" not in line
        if (found := re.search(r"on (logs_[0-9]{8}) ", line)) and found[1] in FILLED
    }


def test_a_record_and_its_neighbours_take_one_partition_and_its_keys(plans, many_days):
    store, found = plans
    us = many_days[1] - 3 * DAY_US
    record = store.query(LogFilter(until=rfc3339(from_micros(us + 1)))).rows[50]
    at = from_micros(us)
    assert store.context(record.id, at) is not None
    for name in ("record_within", "records_before", "records_after"):
        assert len(scanned(found[name])) == 1
        assert not scanned(found[name], "Seq Scan")
        assert "created_at_id_key" in found[name]


def test_a_trace_uses_its_index_in_every_partition(plans):
    store, found = plans
    assert store.trace("trace-00000003", limit=20) is not None
    for name in ("traces_matching", "trace_records", "trace_summary", "trace_first_error"):
        assert "trace_id_created_at_idx" in found[name]
        assert not scanned(found[name], "Seq Scan")


def test_what_rollups_know_reads_no_record(plans):
    store, found = plans
    store.histogram(LogFilter(since="7d", level="WARN"), "1h")
    store.facets("component", LogFilter(since="7d"))
    assert "logs_rollup" in found["histogram_hours"]
    assert "histogram_counted" not in found
    assert all(not scanned(plan) for plan in found.values())
    store.summary(LogFilter())
    for name in ("oldest_matching", "newest_matching"):
        assert len(scanned(found[name])) == 1


def test_a_count_by_words_or_data_uses_the_search_indexes(plans):
    store, found = plans
    day = LogFilter(since="60h", until="36h", search="nowhere")
    assert store.histogram(day).strategy == "count"
    assert "_text" in found["histogram_counted"]
    store.facets("i", LogFilter(since="60h", until="36h", data={"i": -1}))
    assert "_data" in found["facets_counted"]
    assert "NULLS" not in "".join(found.values())


def test_a_sample_is_looked_up_by_its_key(plans):
    store, found = plans
    assert store.patterns(LogFilter()).patterns[0].sample is not None
    assert "created_at_id_key" in found["pattern_templates"]
    assert len(scanned(found["pattern_templates"])) == 1
    assert not scanned(found["pattern_templates"], "Seq Scan")
