"""Pages by component and level where these are spread unevenly: right ones, and by which plans."""

from __future__ import annotations

import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import msgspec
import psycopg
import pytest

from dewey_logs import LogFilter
from dewey_logs.times import EPOCH, from_micros
from tests.conftest import copied, named
from tests.integration.dewey_logs.conftest import DAY_US, batch

HOUR_US = DAY_US // 24
MINUTE_US = HOUR_US // 60
BUSY = """
    INSERT INTO logs (created_at, id, level, component, trace_id, message)
    SELECT %(low)s::timestamptz + n * %(step)s::interval, gen_random_uuid(),
           (CASE WHEN n %% 2 = 0 THEN %(even)s WHEN n %% %(drip)s = 3 THEN 'INFO' ELSE 'DEBUG'
            END)::log_level,
           CASE WHEN n %% %(drip)s = 1 THEN 'drip'
                WHEN %(morning)s THEN 'retired.' || n / 2 %% 2 ELSE 'shop.' || n %% 7 END,
           CASE WHEN %(morning)s THEN '4bf92f35-77b3-4da6-a3ce-000000000000'
                ELSE md5(n::text)::uuid::text END, 'n ' || n
    FROM generate_series(0, 19999) n
"""
COUNTS = """
    INSERT INTO logs_rollup SELECT date_trunc('minute', created_at, 'UTC'), level, component,
    count(*), sum(octet_length(message)) FROM logs GROUP BY 1, 2, 3
"""


@pytest.fixture
def plans(monkeypatch):
    """What PostgreSQL did for every statement on `logs` since: name of the node, its numbers."""
    execute = psycopg.Connection.execute
    nodes: list[dict[str, object]] = []

    def walk(node):
        nodes.append(node)
        for child in node.get("Plans", ()):
            walk(child)

    def explaining(self, query, params=None, **more):
        text = query if isinstance(query, str) else query.as_string(self)
        if "FROM logs\n" in text or "FROM logs WHERE" in text:
            explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + text
            [(found,)] = execute(self, explain, params).fetchall()
            walk((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])
        return execute(self, query, params, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", explaining)
    return nodes


def looked_at(nodes):
    """Return how many rows of `logs` were read, those that were thrown away included."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if "Relation Name" in node
    )


@pytest.fixture(scope="module")
def morning(postgres_server, _template):
    """A day with 20,000 records in the morning and as many twice since, of others but for a few."""
    with copied(postgres_server, _template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection)
        yield named(url)


@pytest.fixture
def template(request, _template):
    return request.getfixturevalue("morning") if "silent" in request.fixturenames else _template


@pytest.fixture
def silent(store):
    return store


def fill(connection):
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for hour, step, even, drip in (
        (8, "10 ms", "WARN", 2),
        (9, "10 ms", "INFO", 30_000),
        (14, "1 s", "DEBUG", 400),
    ):
        low = day + timedelta(hours=hour)
        values = {"low": low, "step": step, "even": even, "drip": drip, "morning": hour == 8}
        connection.execute(BUSY, values)
    connection.execute(
        "UPDATE logs SET trace_id = '4bf92f35-77b3-4da6-a3ce-0000000000ff'"
        " WHERE message IN ('n 4', 'n 8', 'n 12', 'n 16', 'n 20') AND component = 'retired.0'"
    )
    connection.execute(COUNTS)
    connection.execute("SELECT dewey_merge_rollups()")
    connection.execute("VACUUM ANALYZE logs, logs_rollup, logs_rollup_hour")


LONG_TRACE = "4bf92f35-77b3-4da6-a3ce-000000000000"
MANY = [
    LogFilter(component=("retired.0",)),
    LogFilter(component=("retired.0", "retired.1")),
    LogFilter(component=("retired.*",)),
    LogFilter(component=("*red.1",)),
    LogFilter(component=("*red.1", "absent")),
    LogFilter(level="INFO"),
    LogFilter(level="WARN"),
    LogFilter(level="WARN", component=("retired.0", "retired.1")),
    LogFilter(level="INFO", component=("retired.*",)),
    LogFilter(component=("drip",)),
    LogFilter(component=("dr*", "absent")),
    LogFilter(component=("shop.1",)),
    LogFilter(),
]
NONE = [
    LogFilter(component=("absent",)),
    LogFilter(component=("*zzz", "absent")),
    LogFilter(level="ERROR"),
    LogFilter(level="WARN", component=("shop.1",)),
    LogFilter(component=("retired.*",), since="-1h"),
]
FEW_READ = 13_000  # a minute holds 6,000, and page and count read it


def test_a_page_reads_little_more_than_it_shows_whoever_is_silent(silent, plans):
    for wanted, order in itertools.product(MANY, ("desc", "asc")):
        plans.clear()
        page = silent.query(msgspec.structs.replace(wanted, order=order))
        assert (page.returned, page.matched, page.matched_capped) == (100, 1_000, True)
        assert 0 < looked_at(plans) < FEW_READ, (wanted, order)
        plans.clear()
        following = msgspec.structs.replace(wanted, order=order, cursor=page.next_cursor)
        assert silent.query(following).returned == 100
        assert 0 < looked_at(plans) < FEW_READ, (wanted, order)


BY_NAME = [
    LogFilter(component=("retired.0",)),
    LogFilter(component=("retired.0", "retired.1", "absent", "retired.0")),
    LogFilter(component=("shop.1", "drip")),
    LogFilter(level="WARN", component=("retired.0", "retired.1")),
]


def test_components_by_name_are_each_read_as_far_as_a_page_reaches(silent, plans):
    """A minute of the morning holds 6,000: hardly more than the next 101 of each is read."""
    for wanted, order in itertools.product(BY_NAME, ("desc", "asc")):
        plans.clear()
        page = silent.query(msgspec.structs.replace(wanted, order=order))
        assert page.returned == 100
        assert 0 < looked_at(plans) <= 110 * len(wanted.component), (wanted, order)


def test_a_later_page_is_looked_for_where_the_one_before_ended(silent, plans):
    for order in ("desc", "asc"):
        wanted, returned = LogFilter(component=("drip",), order=order, limit=1_000), []
        for _ in range(11):
            plans.clear()
            page = silent.query(wanted)
            wanted = msgspec.structs.replace(wanted, cursor=page.next_cursor)
            returned.append(page.returned)
            assert 0 < looked_at(plans) < FEW_READ
        assert (returned, page.next_cursor) == ([1_000] * 10 + [51], None)


def test_what_is_not_there_is_answered_without_a_look_at_the_log(silent, plans):
    for wanted in NONE:
        page = silent.query(wanted)
        assert (page.returned, page.matched, page.matched_capped) == (0, 0, False)
        by_its_index = wanted == LogFilter(level="ERROR")
        assert page.strategy == ("walk" if by_its_index else "counts"), wanted
        assert looked_at(plans) == 0, wanted


def test_a_level_with_an_index_of_its_own_is_read_there(silent, database, plans):
    database.connection.execute(
        "UPDATE logs SET level = 'ERROR' WHERE message IN ('n 77', 'n 7777', 'n 7779')"
    )
    for order in ("desc", "asc"):
        for limit in (2, 100):
            plans.clear()
            page = silent.query(LogFilter(level="ERROR", order=order, limit=limit))
            assert (page.returned, page.matched) == (min(limit, 9), 9)
            assert 0 < looked_at(plans) <= 20


@pytest.mark.parametrize(
    ("same", "wanted"),
    [("component", LogFilter(component=("retired.0",))), ("trace", LogFilter(trace_id=LONG_TRACE))],
)
def test_the_neighbours_of_a_component_or_a_trace_that_fell_silent(silent, plans, same, wanted):
    for order in ("desc", "asc"):
        [end] = silent.query(msgspec.structs.replace(wanted, order=order, limit=1)).rows
        plans.clear()
        found = silent.context(end.id, datetime.fromisoformat(end.created_at), same=same)
        assert (found.returned, found.more_before, found.more_after) == (
            11,
            order == "desc",
            order == "asc",
        )
        assert 0 < looked_at(plans) < 200


def test_a_long_trace_is_read_by_its_own_index(silent, plans):
    """Statistics say that a third of all records are of it, not that all of these lie far back."""
    for order in ("desc", "asc"):
        plans.clear()
        page = silent.query(LogFilter(trace_id=LONG_TRACE, order=order))
        assert (page.returned, page.matched, page.matched_capped) == (100, 1_000, True)
        assert 0 < looked_at(plans) <= 1_200
        plans.clear()
        rest = LogFilter(trace_id=LONG_TRACE, order=order, cursor=page.next_cursor)
        assert silent.query(rest).returned == 100
        assert 0 < looked_at(plans) <= 110
    for name in (LONG_TRACE, LONG_TRACE[:-1]):
        plans.clear()
        found = silent.trace(name, limit=10)
        assert (found.returned, found.matched, found.first_error) == (10, 19_995, None)
        assert 0 < looked_at(plans) <= 2 * 19_995 + 10


def test_a_trace_by_its_beginning_is_not_looked_for_among_all_records(silent, plans):
    """One trace has the 20,000 records of the morning, and one has five."""
    for text, matched, most in (
        ("4bf92f35-77b3-4da6-a3ce-00000000000", 1_000, 1_200),
        ("4bf92f35-77b3-4da6-a3ce-00000001", 0, 0),
        ("4bf92f3577b34da6a3ce0000000000f", 5, 10),
    ):
        for order in ("desc", "asc"):
            plans.clear()
            page = silent.query(LogFilter(trace_id=text, order=order))
            assert (page.returned, page.matched) == (min(matched, 100), matched)
            assert looked_at(plans) <= most, (text, order)


def bursts(maker):
    """Records of four components and all levels: bursts, gaps of hours, and single ones."""
    start = maker.now_us // HOUR_US * HOUR_US - 40 * HOUR_US
    rows = []
    for n, (hour, many) in enumerate(
        [(0, 40), (1, 1_300), (2, 3), (9, 30), (17, 1), (18, 1), (30, 90), (39, 25)]
    ):
        rows += [
            maker.row(
                created_at_us=start + hour * HOUR_US + i * (HOUR_US // many) + i % 3,
                component=("api.a", "api.b", "web", f"once.{n}")[i % 4],
                level=("DEBUG", "INFO", "TRACE", "WARN", "ERROR")[(i * 7 + n) % 5],
            )
            for i in range(many)
        ]
    return start, rows


LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def holds(wanted, low, high, row):
    return (
        (not wanted.component or any(fnmatchcase(row.component, name) for name in wanted.component))
        and LEVELS.index(row.level) >= LEVELS.index(wanted.level or "TRACE")
        and (low is None or row.created_at_us >= low)
        and (high is None or row.created_at_us < high)
    )


@pytest.mark.parametrize("merged", ["merged", "half merged", "unmerged"])
def test_pages_and_counts_are_those_of_plain_python(store, database, maker, merged):
    start, rows = bursts(maker)
    half = len(rows) // 2 if merged == "half merged" else len(rows)
    store.write(batch(rows[:half]))
    if merged != "unmerged":
        database.connection.execute("SELECT dewey_merge_rollups()")
    store.write(batch(rows[half:]))
    rows.sort(key=lambda row: (row.created_at_us, row.id))
    windows = [
        (None, None),
        (start + 20 * MINUTE_US + 17, None),
        (start + 17, start + HOUR_US - 17),
        (start + HOUR_US + 17, start + 31 * HOUR_US),
        (start + HOUR_US + 30 * MINUTE_US + 1, start + HOUR_US + 30 * MINUTE_US + 20_000_000),
        (start + HOUR_US, start + 31 * HOUR_US),
        (None, start + 30 * HOUR_US + 59 * MINUTE_US + 1),
    ]
    names = [(), ("api.a",), ("api.*", "once.6"), ("*.4",), ("web", "once.1"), ("nobody", "*x")]
    every = itertools.product(
        names, (None, "INFO", "ERROR"), windows, ("desc", "asc"), (37, 60, 1_000)
    )
    for component, level, (low, high), order, limit in random.Random(merged).sample([*every], 150):
        wanted = LogFilter(
            component=component, level=level, order=order, limit=limit,
            since=_text(low), until=_text(high),
        )  # fmt: skip
        expected = [row.id.hex() for row in rows if holds(wanted, low, high, row)]
        if order == "desc":
            expected.reverse()
        page = store.query(wanted)
        assert page.matched == min(len(expected), 1_000), wanted
        assert page.matched_capped == (len(expected) > 1_000), wanted
        seen: list[str] = []
        for _ in range(4):
            seen += [row.id.replace("-", "") for row in page.rows]
            assert seen == expected[: len(seen)], wanted
            if page.next_cursor is None:
                assert len(seen) == len(expected), wanted
                break
            page = store.query(msgspec.structs.replace(wanted, cursor=page.next_cursor))


def test_neighbours_of_a_component_are_those_of_plain_python_across_any_gap(store, maker):
    _, rows = bursts(maker)
    store.write(batch(rows))
    rows.sort(key=lambda row: (row.created_at_us, row.id))
    for row in [*random.Random(3).sample(rows, 30), rows[0], rows[-1]]:
        alike = [other.id.hex() for other in rows if other.component == row.component]
        at, before, after = alike.index(row.id.hex()), 7, 23
        found = store.context(
            row.id.hex(), from_micros(row.created_at_us), before=before, after=after,
            same="component",
        )  # fmt: skip
        shown = [other.id.replace("-", "") for other in found.rows]
        assert shown == alike[max(at - before, 0) : at + after + 1]
        assert found.more_before == (at > before)
        assert found.more_after == (at + after + 1 < len(alike))


def _text(us):
    return None if us is None else (EPOCH + timedelta(microseconds=us)).isoformat()


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_records_that_went_while_their_counts_stayed_hide_no_others(store, database, maker, order):
    """As a partition that is being detached, or emptied by a clear after the snapshot."""
    for ago in (1, 2):
        for _ in range(2):
            at = maker.now_us - ago * DAY_US
            store.write(batch([maker.row(created_at_us=at + i) for i in range(700)]))
    gone = datetime.now(UTC) - timedelta(days=1 if order == "desc" else 2)
    database.connection.execute(f"TRUNCATE logs_{gone:%Y%m%d}")
    wanted = LogFilter(component=("shop.api",), order=order, limit=500)
    first = store.query(wanted)
    second = store.query(msgspec.structs.replace(wanted, cursor=first.next_cursor))
    assert (first.returned, second.returned) == (500, 500)
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
