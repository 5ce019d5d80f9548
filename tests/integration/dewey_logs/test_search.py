"""Searching partitions with indexes and without: the same answers, and the plans that make them."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio
import msgspec
import psycopg
import pytest
from psycopg import sql

from dewey_logs import LogFilter, LogRow, QueryTimeout, Store, open_store, sealing, sizes
from dewey_logs import search as engine
from dewey_logs.budget import ask, walk
from dewey_logs.cancellation import Cancellation
from dewey_logs.filters import Conditions
from dewey_logs.plans import WALKS_ONLY
from dewey_logs.sealing import seal
from dewey_logs.statements import statement
from dewey_logs.tools import asked
from godot.embedded.postgres import Postgres
from tests.conftest import copied, named
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, eventually

WORDS = ("alpha", "beta", "gamma")
STEP_US = 1_000_000  # all of a day within five minutes, at whatever time this runs


@pytest.fixture(scope="module")
def filled(postgres_server: Postgres, _template: str) -> Iterator[tuple[str, list[LogRow]]]:
    """A database of three days, to be copied, and its rows.

    One day is indexed, one in parts, and of today a part.
    """
    maker = Maker()
    rows = [
        maker.row(
            created_at_us=maker.now_us - ago * DAY_US - n * STEP_US,
            message=f"{WORDS[n % 3]} number {n}" + (" needle" if n % 50 == 7 else ""),
            data=b'{"n":%d,"kind":"%s"}' % (n, WORDS[n % 3].encode()),
            component=f"c{n % 2}",
        )
        for ago in (3, 2, 0)
        for n in range(300)
    ]
    with copied(postgres_server, _template) as url:
        with open_store(url) as store, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealing, "OVER_S", 10 * 86_400)
            patch.setattr(sealing, "MANY_ROWS", 50)
            patch.setattr(sealing, "SETTLE_S", 0)
            store.write(batch([*rows[450:600], *rows[750:]]))
            seal(url)
            patch.undo()
            store.write(batch([*rows[:450], *rows[600:750]]))
            seal(url)
        yield named(url), rows


@pytest.fixture
def template(request, _template: str) -> str:
    return request.getfixturevalue("filled")[0] if "full" in request.fixturenames else _template


@pytest.fixture
def full(store, filled):
    return store, filled[1]


def every_page(store, wanted):
    """Follow the cursors; return all rows' ids, and the pages."""
    pages = [store.query(wanted)]
    while pages[-1].next_cursor:
        pages.append(store.query(msgspec.structs.replace(wanted, cursor=pages[-1].next_cursor)))
        assert len(pages) < 2_000
    return [row.id for page in pages for row in page.rows], pages


def expected(rows, holds, order):
    found = sorted((row for row in rows if holds(row)), key=lambda r: (r.created_at_us, r.id))
    texts = [f"{row.id.hex()}" for row in found]
    return texts if order == "asc" else texts[::-1]


SEARCHES = [
    (LogFilter(search="needle"), lambda r: "needle" in r.message),
    (LogFilter(search="beta"), lambda r: "beta" in r.message),
    (LogFilter(search="alpha needle"), lambda r: "alpha" in r.message and "needle" in r.message),
    (LogFilter(search='"number 7"'), lambda r: f"{r.message} ".find("number 7 ") >= 0),
    (LogFilter(search="absent"), lambda r: False),
    (LogFilter(search="-needle"), lambda r: "needle" not in r.message),
    (
        LogFilter(search="beta -needle", component=("c1",)),
        lambda r: "beta" in r.message and "needle" not in r.message and r.component == "c1",
    ),
    (LogFilter(data={"kind": "gamma"}), lambda r: b"gamma" in r.data),
    (LogFilter(data={"n": 57}), lambda r: b'"n":57,' in r.data),
    (LogFilter(contains="ER 29"), lambda r: "er 29" in r.message),
    (
        LogFilter(regex="^alpha .*[05]$"),
        lambda r: r.message.startswith("alpha") and r.message[-1] in "05",
    ),
]


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("limit", [7, 1_000])
@pytest.mark.parametrize("hits", [2, 20_000])
def test_every_kind_of_search_finds_exactly_what_matches(full, monkeypatch, order, limit, hits):
    """With hardly any hits allowed every indexed partition is walked."""
    store, rows = full
    monkeypatch.setattr(engine, "MAX_HITS", hits)
    monkeypatch.setattr(engine, "FIRST_SLICE_ROWS", 20)
    for wanted, holds in SEARCHES:
        asked = msgspec.structs.replace(wanted, order=order, limit=limit)
        ids, pages = every_page(store, asked)
        assert [one.replace("-", "") for one in ids] == expected(rows, holds, order), wanted
        assert not pages[-1].truncated
        if limit == 1_000 and hits > 1_000:
            assert (pages[0].matched, pages[0].matched_capped) == (len(ids), False)


def test_hits_that_lie_far_apart_are_sorted_where_a_walk_takes_too_long(full, monkeypatch):
    store, rows = full
    monkeypatch.setattr(engine, "MAX_HITS", 2)
    monkeypatch.setattr(engine, "WALK_MS", 1)
    found = [r for r in rows if "needle" in r.message]
    for _ in range(20):  # a millisecond is enough for some walks
        ids, _ = every_page(store, LogFilter(search="needle", limit=4))
        assert len(ids) == len(found)


def test_an_export_asks_every_stretch_by_itself_and_holds_all_of_them(full, database, monkeypatch):
    """By itself, because its bounds are what lets PostgreSQL use the index of a part."""
    store, rows = full
    asked: list[tuple[object, ...]] = []

    def spy(connection, name, matching, **more):
        asked.append((matching.values["since"], matching.values["until"]))
        return walk(connection, name, matching, **more)

    monkeypatch.setattr("dewey_logs.export.walk", spy)
    for order in ("desc", "asc"):
        for wanted, holds in SEARCHES:
            with store.export(msgspec.structs.replace(wanted, order=order)) as export:
                ids = [record.id.replace("-", "") for record in export]
            assert ids == expected(rows, holds, order), wanted
    stretches = database.rows(
        "SELECT low, high FROM dewey_stretches() WHERE pg_relation_size(part) > 0"
    )
    assert len(stretches) >= 4
    assert asked == [*stretches[::-1] * len(SEARCHES), *stretches * len(SEARCHES)]
    with store.export(LogFilter(search="number")) as export:
        next(export)
        database.connection.execute("SET lock_timeout = 100")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            database.connection.execute(
                f"TRUNCATE logs_{datetime.now(UTC) - timedelta(days=3):%Y%m%d}"
            )
        assert len(list(export)) == len(rows) - 1


def test_hits_that_take_too_long_to_sort_are_read_instead(full, monkeypatch):
    store, rows = full
    monkeypatch.setattr(engine, "MAX_HITS", 2)
    monkeypatch.setattr(engine, "BUDGET_S", 0.1)
    page_of = engine.Search._page

    def page(self, stretch, missing, without, timeout_ms):
        if without == WALKS_ONLY:
            raise psycopg.errors.QueryCanceled
        return page_of(self, stretch, missing, without, timeout_ms)

    def slow(name):
        text = statement(name)
        return (
            text.replace("FROM logs", "FROM pg_sleep(9), logs") if name == "search_keys" else text
        )

    monkeypatch.setattr(engine.Search, "_page", page)
    monkeypatch.setattr(engine, "statement", slow)
    ids, _ = every_page(store, LogFilter(search="needle", limit=4))
    assert [one.replace("-", "") for one in ids] == expected(
        rows, lambda r: "needle" in r.message, "desc"
    )


def test_a_page_that_is_cut_for_its_bytes_reads_no_more_than_it_needs(full, monkeypatch):
    """Every slice and every stretch may bring as much as a page: a thousand of them must not."""
    store, rows = full
    monkeypatch.setattr(engine, "FIRST_SLICE_ROWS", 20)
    monkeypatch.setattr(engine, "QUICK_S", 0.0)  # slices do not grow
    monkeypatch.setattr(sizes, "MAX_BYTES", 1_000)
    fetched: list[int] = []
    original = engine.Search._query

    def counted(self, name, *more, **named):
        found = original(self, name, *more, **named)
        if name in ("search_page", "search_rows"):
            fetched.append(sum(len(row[4] or "") for row in found))
        return found

    monkeypatch.setattr(engine.Search, "_query", counted)
    for wanted in (LogFilter(search="number", limit=1_000), LogFilter(contains="n", limit=1_000)):
        fetched.clear()
        page = store.query(wanted)
        assert page.truncated
        assert sum(fetched) < 2_000
    ids, _ = every_page(store, LogFilter(contains="needle", limit=1_000))
    assert [one.replace("-", "") for one in ids] == expected(
        rows, lambda r: "needle" in r.message, "desc"
    )


def test_windows_cut_partitions(full):
    store, rows = full
    edges = sorted(row.created_at_us for row in rows)
    for low, high in itertools.pairwise((*edges[:: len(edges) // 4], edges[-1])):
        since, until = (
            datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="microseconds")
            for us in (low, high)
        )
        page = store.query(LogFilter(search="beta", since=since, until=until, limit=1_000))
        wanted = [r for r in rows if "beta" in r.message and low <= r.created_at_us < high]
        assert page.returned == len(wanted)


def test_the_count_goes_on_in_indexes_only(full):
    store, _ = full
    page = store.query(LogFilter(search="needle", order="asc", limit=2))
    # two indexed days and a part come first: counted; the rest of today has no index
    assert (page.returned, page.matched, page.matched_capped) == (2, 15, True)
    assert page.strategy == "index"


def test_what_the_budget_leaves_out_is_told_and_comes_with_the_next_page(full, monkeypatch):
    store, rows = full
    monkeypatch.setattr(engine, "FIRST_SLICE_ROWS", 20)
    monkeypatch.setattr(engine, "QUICK_S", 0.0)  # slices do not grow
    monkeypatch.setattr(engine, "BUDGET_S", 4.0)
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) * 0.3)
    for order in ("desc", "asc"):
        ids, pages = every_page(store, LogFilter(contains="needle", order=order))
        assert [one.replace("-", "") for one in ids] == expected(
            rows, lambda r: "needle" in r.message, order
        )
        cut = [page for page in pages if page.scan_incomplete]
        assert len(cut) > 2
        assert all(page.truncated and page.scanned_to and page.matched_capped for page in cut)
        reached = [page.scanned_to for page in cut]
        assert reached == sorted(reached, reverse=order == "desc")


def test_an_empty_store_is_searched_completely(store):
    page = store.query(LogFilter(search="x"))
    assert (page.rows, page.matched, page.matched_capped, page.strategy) == ((), 0, False, "none")


def test_the_plans_are_those_that_were_measured(full):
    """One partition at a time; hits through the index; never a sort of a day for one page."""
    store, _ = full
    plans: list[str] = []
    original = engine.Search._query

    def explained(self, name, part, missing, without, timeout_ms=None, **more):
        execute = self._connection.execute

        def spy(query, values=None):
            if name.startswith("search_") and "set_config" not in str(query):
                plan = execute(sql.SQL("EXPLAIN ") + query, values).fetchall()
                plans.append("\n".join([name, *(line for (line,) in plan)]))
            return execute(query, values)

        self._connection.execute = spy
        try:
            return original(self, name, part, missing, without, timeout_ms, **more)
        finally:
            del self._connection.execute

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.Search, "_query", explained)
        store.query(LogFilter(search="needle", limit=1_000))
        store.query(LogFilter(data={"kind": "beta"}, limit=1_000))
        patch.setattr(engine, "MAX_HITS", 2)
        store.query(LogFilter(search="needle", limit=3, until="-1d"))
    hits = [plan for plan in plans if plan.startswith("search_hits")]
    walks = [plan for plan in plans if plan.startswith("search_page") and "Limit" in plan]
    for ago in (3, 2, 0):
        day = f"{datetime.now(UTC) - timedelta(days=ago):%Y%m%d}"
        for kind in ("text", "data"):
            used = {
                name
                for plan in hits
                for name in re.findall(rf"Bitmap Index Scan on (logs_{day}_{kind}\w*)", plan)
            }
            assert len(used) == {3: 1, 2: 2, 0: 1}[ago], hits
    assert walks
    for plan in plans:
        assert "NULLS LAST" not in plan
        assert len(set(re.findall(r" on (logs_\d{8})", plan))) <= 1


def test_a_query_that_is_given_up_ends_in_postgresql_too(full, database, monkeypatch):
    store, _ = full
    monkeypatch.setattr(engine, "BUDGET_S", 60.0)
    database.connection.execute(
        "CREATE FUNCTION slow(text) RETURNS boolean LANGUAGE sql VOLATILE AS"
        " $$ SELECT pg_sleep(0.05) IS NOT NULL $$"
    )
    database.connection.execute("GRANT EXECUTE ON FUNCTION slow(text) TO PUBLIC")
    slow = Conditions()
    slow.add("slow(message)")
    cancellation = Cancellation()
    failed: list[BaseException] = []

    def ask() -> None:
        with cancellation.active(), pytest.MonkeyPatch.context() as patch:
            patch.setattr("dewey_logs.query.conditions", lambda *_: slow)
            try:
                store.query(LogFilter(contains="x"))
            except QueryTimeout as exc:
                failed.append(exc)

    asking = threading.Thread(target=ask)
    asking.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%slow(message)%%' AND state"
    eventually(lambda: database.one(f"{running} = 'active' AND pid <> pg_backend_pid()"))
    cancellation.cancel()
    asking.join(60)
    assert not asking.is_alive()
    assert "given this query up" in str(failed[0])
    assert store.query(LogFilter(limit=1)).returned == 1, "the connection is good for the next"


@pytest.fixture
def patient(writer_url: str, reader_url: str) -> Iterator[Store]:
    """A store whose statements may take longer than these tests wait for their end."""
    with open_store(writer_url, reader_url=reader_url, query_timeout_s=60) as opened:
        yield opened


@pytest.mark.parametrize(("calls", "running"), [(1, 1), (11, 4)])
def test_of_calls_that_are_cancelled_nothing_is_left(patient, database, calls, running):
    """No more than four are running, others wait for their turn, and none of those ever begins."""
    asked_for: list[int] = []
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query = 'SELECT pg_sleep(50)' AND state = 'active' AND datname = current_database()"
    )

    def question(connection):
        asked_for.append(1)
        connection.execute("SELECT pg_sleep(50)")

    async def cancelled() -> None:
        limiter = anyio.CapacityLimiter(4)
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(asked, lambda: patient._readers._read(question), limiter)
            with anyio.fail_after(30):
                while database.one(sleeping) < running:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    anyio.run(cancelled)
    eventually(lambda: not database.one(sleeping))
    assert len(asked_for) == running
    assert patient.query(LogFilter(limit=1)).returned == 0


def test_a_call_that_is_cancelled_asks_nothing_more(store):
    cancellation = Cancellation()
    begun: list[str] = []

    def several(connection):
        begun.append("first")
        ask(connection, "pattern_span")
        cancellation.cancelled = True
        ask(connection, "pattern_span")
        begun.append("second")

    for _ in range(2):  # between two statements, then while it waits for a connection
        with cancellation.active(), pytest.raises(QueryTimeout, match="given this query up"):
            store._readers._read(several)
    assert begun == ["first"]
    assert store.query(LogFilter(limit=1)).returned == 0


def test_a_slice_that_is_too_much_is_cut_down_and_every_page_comes_further(
    store, maker, monkeypatch
):
    """All within a second, and heavy: the first guess is all of them."""
    monkeypatch.setattr(engine, "BUDGET_S", 0.05)
    monkeypatch.setattr(engine, "SLICE_S", 0.02)
    start = maker.now_us - 3_600_000_000
    rows = [
        maker.row(created_at_us=start + n * 200, message="word " * 100 if n != 432 else "other")
        for n in range(1_000)
    ]
    store.write(batch(rows))
    for order in ("desc", "asc"):
        ids, pages = every_page(store, LogFilter(search="-word", order=order))
        assert [one.replace("-", "") for one in ids] == [rows[432].id.hex()]
        reached = [page.scanned_to for page in pages if page.scan_incomplete]
        assert len(reached) == len(set(reached)) > 0
        assert reached == sorted(reached, reverse=order == "desc")


def test_an_index_that_narrows_down_too_little_gives_way_to_a_scan(full, monkeypatch):
    store, rows = full
    monkeypatch.setattr(engine.Search, "_hits", lambda *_: (None, []))
    ids, pages = every_page(store, LogFilter(search="needle", limit=4))
    assert [one.replace("-", "") for one in ids] == expected(
        rows, lambda r: "needle" in r.message, "desc"
    )
    assert {page.strategy for page in pages} == {"scan"}
