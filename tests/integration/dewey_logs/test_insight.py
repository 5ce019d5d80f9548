"""What is counted and summed up, held against the same in plain Python, over a few thousand rows.

Among them: late rows, hours with nothing, duplicates, a clear, and rollups merged half-way.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest

from dewey_logs import (
    BadFilter,
    LogFilter,
    LogRow,
    QueryTimeout,
    Store,
    open_store,
    sizes,
)
from dewey_logs.budget import ask_by_partition
from dewey_logs.database import connect
from dewey_logs.facets import facets
from dewey_logs.filters import Conditions, conditions
from dewey_logs.maintenance import merge_rollups, verify
from dewey_logs.pattern_counts import describe
from dewey_logs.patterns import Patterns
from dewey_logs.times import from_micros, rfc3339
from godot.embedded.plan import READER, WRITER
from godot.embedded.postgres import Postgres
from tests.conftest import copied, logged_in, named
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
WORDS = ("stored", "lost its way", "refused by the bank", "asked twice", "slept", "woke up")


def text(us: int) -> str:
    return rfc3339(from_micros(us))


def floor(us: int, step_us: int) -> int:
    return us // step_us * step_us


class Filled(NamedTuple):
    """A store of four days, its reader's address, and the rows that are still there, in order."""

    store: Store
    reader_url: str
    rows: list[LogRow]


@pytest.fixture(scope="module")
def model(postgres_server: Postgres, _template: str) -> Iterator[tuple[str, list[LogRow]]]:
    """The database that is copied, and its rows."""
    with copied(postgres_server, _template) as url:
        with open_store(logged_in(url, WRITER)) as store:
            rows = fill(store, url)
        yield named(url), rows


@pytest.fixture(scope="module")
def filled(postgres_server: Postgres, model: tuple[str, list[LogRow]]) -> Iterator[Filled]:
    """The store of all tests that only ask."""
    name, rows = model
    with copied(postgres_server, name) as url:
        reader_url = logged_in(url, READER)
        with open_store(logged_in(url, WRITER), reader_url=reader_url) as store:
            yield Filled(store, reader_url, rows)


@pytest.fixture
def template(request: pytest.FixtureRequest, _template: str) -> str:
    name: str = request.getfixturevalue("model")[0] if "rows" in request.fixturenames else _template
    return name


@pytest.fixture
def rows(model: tuple[str, list[LogRow]]) -> list[LogRow]:
    """What a store of the test's own holds, for one that writes."""
    return model[1]


def fill(store: Store, url: str) -> list[LogRow]:
    """Write in many batches, some rows twice, and take some away."""
    maker, chance = Maker(), random.Random(7)
    made = []
    for i in range(2_000):
        us = maker.now_us - chance.choice((0, 0, 1, 2, 4)) * DAY_US - chance.randrange(4 * HOUR_US)
        made.append(
            maker.row(
                created_at_us=us,
                component=chance.choice(("shop.api", "shop.web", "bank", "bank", "über")),
                level=chance.choice(LEVELS),
                message=f"order {i} {chance.choice(WORDS)}",
                trace_id=f"trace-{i % 300:08}",
                data=json.dumps(
                    {"user": f"u{chance.randrange(30)}", "http.method": "GET", "a": {"b": i % 3}}
                ).encode()
                if i % 5
                else None,
            )
        )
    for start in range(0, 2_000, 250):
        store.write(batch(made[start : start + 250]))
        if start == 1_000:
            merge_rollups(url)
    store.write(batch(made[:50], maybe_known=True))
    return cleared(made, url)


def cleared(made: list[LogRow], url: str) -> list[LogRow]:
    """Remove a component's rows of one day as a clear does, and tell the rollups."""
    day = floor(made[0].created_at_us, DAY_US)
    gone = [
        row
        for row in made
        if row.component == "über" and row.created_at_us // DAY_US * DAY_US == day
    ]
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            WITH gone AS (DELETE FROM logs WHERE id = ANY (%s) RETURNING *), minutes AS (
                INSERT INTO logs_rollup
                SELECT date_trunc('minute', created_at, 'UTC'), level, component, -count(*),
                       -sum(octet_length(message)) FROM gone GROUP BY 1, 2, 3)
            INSERT INTO logs_pattern_rollup
            SELECT date_trunc('hour', created_at, 'UTC'), pattern, -count(*) FROM gone GROUP BY 1, 2
            """,
            ([UUID(bytes=row.id) for row in gone],),
        )
    assert gone
    assert list(verify(url)) == []
    left = [row for row in made if row not in gone]
    return sorted(left, key=lambda row: (row.created_at_us, row.id))


def levels_of(counts) -> Counter[str]:
    return Counter({name.upper(): n for name, n in msgspec.structs.asdict(counts).items() if n})


def at_least(level: str) -> tuple[str, ...]:
    return LEVELS[LEVELS.index(level) :]


# ------------------------------------------------------------------------------------- histogram


@pytest.mark.parametrize(
    ("interval", "more", "strategy"),
    [
        ("1h", {}, "rollup"),
        ("1h", {"level": "WARN", "component": ("b*", "shop.api")}, "rollup"),
        ("7m", {"component": ("bank",)}, "rollup"),
        ("1h", {"search": "bank"}, "count"),
        ("90s", {"data": {"a": {"b": 1}}}, "count"),
        ("1d", {"contains": "WOKE", "level": "ERROR"}, "count"),
    ],
)
def test_a_histogram_counts_what_is_there(filled, interval, more, strategy):
    store, rows = filled.store, filled.rows
    since, until = rows[-1].created_at_us - 5 * HOUR_US, rows[-1].created_at_us - HOUR_US // 3
    if interval in ("1h", "1d"):
        since -= 3 * DAY_US
    found = store.histogram(LogFilter(since=text(since), until=text(until), **more), interval)
    step = {"1h": HOUR_US, "7m": 7 * MINUTE_US, "90s": 90_000_000, "1d": DAY_US}[interval]
    low, high = floor(since, step), -floor(-until, step)
    expected: dict[str, Counter[str]] = {text(start): Counter() for start in range(low, high, step)}
    for row in rows:
        if low <= row.created_at_us < high and matches(row, more):
            expected[text(floor(row.created_at_us, step))][row.level] += 1
    assert {b.start: levels_of(b.counts) for b in found.buckets} == expected
    assert found.matched == sum(sum(counts.values()) for counts in expected.values()) > 0
    assert (found.since, found.until, found.strategy) == (text(low), text(high), strategy)
    assert (found.returned, found.scan_incomplete) == (len(expected), False)


def matches(row: LogRow, wanted: dict) -> bool:
    names = wanted.get("component", ())
    return (
        row.level in at_least(wanted.get("level", "TRACE"))
        and (not names or row.component in names or ("b*" in names and row.component[0] == "b"))
        and wanted.get("search", "") in row.message
        and wanted.get("contains", "").lower() in row.message
        and ("data" not in wanted or json.loads(row.data or b"{}").get("a") == wanted["data"]["a"])
    )


def test_an_automatic_interval_covers_everything_in_few_columns(filled):
    store, rows = filled.store, filled.rows
    found = store.histogram(LogFilter())
    assert found.matched == len(rows)
    assert 20 <= found.returned <= 62
    assert found.interval_s == 10_800
    seconds = store.histogram(LogFilter(search="bank", since="2m"))
    assert (seconds.interval_s, seconds.strategy) == (5, "count")


def test_an_empty_store_has_answers_too(store):
    assert store.histogram(LogFilter()).matched == 0
    assert store.histogram(LogFilter(search="x", since="1h")).matched == 0
    assert store.summary(LogFilter()).oldest is None
    assert store.patterns(LogFilter()).patterns == ()
    assert store.facets("user", LogFilter()).values == ()
    assert store.compare(LogFilter(since="2h", until="1h"), LogFilter(since="1h")).returned == 0
    assert list(store.export(LogFilter())) == []
    assert store.trace("trace-0000") is None
    assert store.context("0193e5a1-0000-8000-8000-000000000000") is None


def test_every_answer_says_the_same_things_of_itself(filled):
    store, rows = filled.store, filled.rows
    of_trace = [row for row in rows if row.trace_id == rows[0].trace_id]
    hour, now = text(rows[-1].created_at_us - HOUR_US), text(rows[-1].created_at_us + 1)
    in_hour = sum(row.created_at_us >= rows[-1].created_at_us - HOUR_US for row in rows)
    middle, every = rows[100], len(rows)
    with store.export(LogFilter()) as export:
        assert len(list(export)) == every
    for answer, *expected in (
        # matched, capped, truncated, goes on
        (store.query(LogFilter(limit=7)), 1_000, True, True, True),
        (store.context(str(UUID(bytes=middle.id)), before=3, after=4), 8, True, True, False),
        (store.trace(rows[0].trace_id), len(of_trace), False, False, False),
        (store.trace(rows[0].trace_id, limit=1), len(of_trace), False, True, True),
        (store.histogram(LogFilter()), every, False, False, False),
        (store.summary(LogFilter(limit=1)), every, False, True, False),
        (store.patterns(LogFilter(limit=1)), every, False, True, False),
        (store.facets("user", LogFilter(limit=3)), every, False, True, False),
        (
            store.compare(LogFilter(since=hour, until=now), LogFilter(since=hour, until=now)),
            2 * in_hour,
            False,
            False,
            False,
        ),
        (store.arrivals(LogFilter()), 0, False, False, True),
        (export.answer(), every, False, False, False),
    ):
        goes_on = answer.next_cursor is not None
        assert [answer.matched, answer.matched_capped, answer.truncated, goes_on] == expected
        assert answer.strategy
        assert answer.took_ms > 0
        assert answer.scan_incomplete is False
    assert facets_of_newest(filled).matched_capped is True


# --------------------------------------------------------------------------------------- summary


@pytest.mark.parametrize("more", [{}, {"level": "WARN"}, {"component": ("bank",)}])
@pytest.mark.parametrize("bounded", [False, True])
def test_a_summary_says_how_much_there_is_of_what(filled, more, bounded):
    store, rows = filled.store, filled.rows
    since, until = rows[0].created_at_us + DAY_US, rows[-1].created_at_us - HOUR_US
    low, high = floor(since, MINUTE_US), -floor(-until, MINUTE_US)
    times = (text(since), text(until)) if bounded else (None, None)
    found = store.summary(LogFilter(since=times[0], until=times[1], **more))
    there = [
        row
        for row in rows
        if matches(row, more) and (not bounded or low <= row.created_at_us < high)
    ]
    assert found.matched == len(there) > 0
    assert found.bytes == sum(len(row.message.encode()) for row in there)
    assert (found.oldest, found.newest) == (
        text(there[0].created_at_us),
        text(there[-1].created_at_us),
    )
    assert levels_of(found.levels) == Counter(row.level for row in there)
    by = Counter((row.component, row.level) for row in there)
    assert {
        (one.component, level): n
        for one in found.components
        for level, n in levels_of(one.counts).items()
    } == by
    assert [one.counts.total for one in found.components] == sorted(
        Counter(row.component for row in there).values(), reverse=True
    )
    assert {day.day: day.counts.total for day in found.days} == Counter(
        text(row.created_at_us)[:10] for row in there
    )
    assert found.disk_bytes >= sum(day.disk_bytes for day in found.days) > 0
    asked = LogFilter(since=times[0], until=times[1], **more)
    without = store.summary(asked, disk=False)
    assert {without.disk_bytes, *(day.disk_bytes for day in without.days)} == {None}
    assert (without.levels, without.components) == (found.levels, found.components)


def test_the_oldest_record_is_found_where_a_clear_emptied_its_minute(store, database, maker):
    old, new = maker.row(created_at_us=maker.now_us - HOUR_US), maker.row()
    store.write(batch([old, new]))
    database.connection.execute(
        "WITH gone AS (DELETE FROM logs WHERE id = %s RETURNING *) INSERT INTO logs_rollup"
        " SELECT date_trunc('minute', created_at, 'UTC'), level, component, -1,"
        " -octet_length(message) FROM gone",
        (UUID(bytes=old.id),),
    )
    found = store.summary(LogFilter())
    assert (found.matched, found.oldest, found.newest) == (
        1,
        text(new.created_at_us),
        text(new.created_at_us),
    )


# ---------------------------------------------------------------------- patterns and comparisons


def by_pattern(rows: list[LogRow]) -> dict[int, list[LogRow]]:
    number = Patterns().number
    found = defaultdict(list)
    for row in rows:
        found[number(row.message)].append(row)
    return found


@pytest.mark.parametrize(
    ("minutes_ago", "more"),
    [
        ((None, None), {}),
        ((3 * 24 * 60 + 17, 43), {}),
        ((50, 20), {}),
        ((3 * 24 * 60, None), {"component": ("bank",)}),
        ((200, None), {"search": "twice OR slept", "level": "WARN"}),
    ],
)
def test_patterns_are_counted_exactly(filled, minutes_ago, more):
    store, rows = filled.store, filled.rows
    now = rows[-1].created_at_us
    since, until = (None if m is None else now - m * MINUTE_US for m in minutes_ago)
    found = store.patterns(
        LogFilter(since=since and text(since), until=until and text(until), limit=4, **more)
    )
    search = more.get("search")
    there = [
        row
        for row in rows
        if (since or 0) <= row.created_at_us < (until or now + DAY_US)
        and matches(row, {k: v for k, v in more.items() if k != "search"})
        and (search is None or any(word in row.message.split() for word in ("twice", "slept")))
    ]
    groups = by_pattern(there)
    assert (found.matched, found.distinct) == (len(there), len(groups))
    assert len(there) > 0
    expected = sorted(groups, key=lambda p: (-len(groups[p]), p))[:4]
    assert [(one.pattern, one.n) for one in found.patterns] == [
        (p, len(groups[p])) for p in expected
    ]
    assert found.truncated == (len(groups) > 4)
    for one in found.patterns:
        group = groups[one.pattern]
        first, last = group[0].created_at_us, group[-1].created_at_us
        if one.seen_exactly:
            assert (one.first_seen, one.last_seen) == (text(first), text(last))
        else:
            assert one.first_seen in (text(first), text(floor(first, HOUR_US)))
            assert one.last_seen in (text(last), text(floor(last, HOUR_US)))
        assert one.sample is not None
        assert one.sample.id in {str(UUID(bytes=row.id)) for row in group}
        assert one.template == Patterns().template(group[0].message)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((240, 120), (120, 0)),
        ((231, 172), (171, 112)),
        ((205, 200), (100, 95)),  # within an hour
        ((3 * 24 * 60, 24 * 60 - 7), (24 * 60 - 7, None)),
        ((90, 30), (30, None)),
    ],
)
@pytest.mark.parametrize("more", [{}, {"component": ("bank",)}])
def test_two_windows_are_compared_exactly(store, rows, a, b, more):
    newest = rows[-1].created_at_us
    begun, ended = newest + 1, newest - a[1] * MINUTE_US - 90_000_000
    bank = {"component": "bank"}
    store.write(batch(Maker(5).rows(7, message="never seen before", created_at_us=begun, **bank)))
    for row in Maker(6).rows(5, message="gone since", created_at_us=ended, **bank):
        store.write(batch([row]))
    now = newest + MINUTE_US
    everything = [(row[0], row[1]) for row in store_rows(store, more)]

    def window(span):
        low, high = (None if m is None else now - m * MINUTE_US for m in span)
        assert low is not None
        return (
            LogFilter(since=text(low), until=None if high is None else text(high), **more),
            low,
            high,
        )

    (before, low_a, high_a), (after, low_b, high_b) = window(a), window(b)
    found = store.compare(before, after, min_ratio=1.2, limit=1_000)
    number = Patterns().number
    old = Counter(number(m) for us, m in everything if low_a <= us < (high_a or now + DAY_US))
    new = Counter(number(m) for us, m in everything if low_b <= us < (high_b or now + DAY_US))
    assert (found.total_before, found.total_after) == (old.total(), new.total())
    assert {(c.pattern, c.after) for c in found.new} == {(p, new[p]) for p in new if p not in old}
    assert {(c.pattern, c.before) for c in found.gone} == {(p, old[p]) for p in old if p not in new}
    if b[1] is not None:
        scale = (b[0] - b[1]) / (a[0] - a[1])
        grown = {p for p in old if p in new and new[p] >= 1.2 * scale * old[p]}
        assert {c.pattern for c in found.grew} == grown
        assert all(c.ratio == pytest.approx(c.after / c.before / scale) for c in found.grew)
    assert (found.truncated, found.strategy) == (False, "count" if more else "rollup")
    for change in (*found.new, *found.gone, *found.grew):
        assert change.template
        assert change.sample is not None
        assert change.sample.component in more.get("component", (change.sample.component,))


def test_each_window_shows_a_sample_that_its_own_filter_lets_in(store, maker):
    minutes_ago = {"gone": (90, 80), "new": (20, 10), "both": (90, 80, 20, 20, 10)}
    made = [
        maker.row(
            created_at_us=maker.now_us - minute * MINUTE_US + (component == "bank"),
            component=component,
            message=message,
        )
        for message, minutes in minutes_ago.items()
        for minute in minutes
        for component in ("api", "web", "bank")
    ]
    store.write(batch(made))
    found = store.compare(
        LogFilter(since="2h", until="1h", component=("web",)),
        LogFilter(since="1h", component=("api",)),
        min_ratio=1,
    )
    [new], [gone], [grew] = found.new, found.gone, found.grew
    assert (new.sample.component, new.sample.message) == ("api", "new")
    assert (gone.sample.component, gone.sample.message) == ("web", "gone")
    assert (grew.sample.component, grew.sample.message) == ("api", "both")


@pytest.mark.parametrize("more", [{}, {"component": ("shop.api",)}])
def test_samples_show_how_the_new_began_and_how_the_gone_ended(store, maker, more):
    """The hour at an edge of a window may have its records of a pattern beyond the edge."""
    start = maker.now_us // HOUR_US * HOUR_US - 24 * HOUR_US

    def said(message: str, *minutes: int) -> list[LogRow]:
        return [
            maker.row(created_at_us=start + minute * MINUTE_US, message=f"{message} {minute}")
            for minute in minutes
        ]

    begins, ends = said("begins with", 5, 305, 370, 400, 570), said("ends with", 40, 100, 230, 290)
    grows = said("grows by", 50, 320, 400, 560, 580)
    noise = [row for minute in range(0, 600, 5) for row in said("goes on for", minute)]
    store.write(batch([*begins, *ends, *grows, *noise]))

    def window(*minutes: int) -> LogFilter:
        since, until = (text(start + minute * MINUTE_US) for minute in minutes)
        return LogFilter(since=since, until=until, **more)

    found = store.compare(window(30, 285), window(315, 575))
    shown = [
        [(one.template.split()[0], one.sample.id) for one in kind]
        for kind in (found.new, found.gone, found.grew)
    ]
    assert shown == [
        [("begins", str(UUID(bytes=begins[2].id)))],
        [("ends", str(UUID(bytes=ends[2].id)))],
        [("grows", str(UUID(bytes=grows[3].id)))],
    ]


def store_rows(store, more) -> list[tuple[int, str]]:
    return [
        (int(datetime.fromisoformat(r.created_at).timestamp() * 1_000_000 + 0.5), r.message)
        for r in store.export(LogFilter(**more))
    ]


@pytest.mark.parametrize("more", [{}, {"component": ("shop.api",)}])
def test_samples_beyond_so_many_bytes_are_left_out(store, maker, monkeypatch, more):
    monkeypatch.setattr(sizes, "MAX_BYTES", 100_000)
    words = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"]
    store.write(batch([maker.row(message=f"{word} {'x' * 30_000}") for word in words]))
    found = store.patterns(LogFilter(**more)).patterns
    assert len(found) == len(words)
    assert [one.sample is not None for one in found].count(True) == 3


def test_a_pattern_whose_sample_takes_too_long_costs_the_others_nothing(store, reader_url, maker):
    messages = [f"{word} went by" for word in ("one", "two", "three", "four", "five")]
    store.write(batch([maker.row(message=message) for message in messages]))
    number = Patterns().number
    hour = from_micros(maker.now_us - HOUR_US), from_micros(maker.now_us + HOUR_US)
    slow, rare = Conditions(), [*map(number, messages[:2])]
    slow.add("(pattern <> ALL (%(rare)s) OR pg_sleep(60) IS NULL)", rare=rare)
    with connect(reader_url) as connection, connection.transaction():
        found = describe(connection, {number(message): hour for message in messages}, slow, 2_000)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    samples = [found[number(message)].sample for message in messages]
    assert [sample and sample.message for sample in samples] == [None, None, *messages[2:]]


def test_a_statement_that_had_less_time_leaves_the_next_ones_theirs(store, reader_url, maker):
    rows = [maker.row(created_at_us=maker.now_us - n * DAY_US) for n in range(2)]
    store.write(batch(rows))
    hour = from_micros(maker.now_us - HOUR_US), from_micros(maker.now_us + HOUR_US)
    wanted = LogFilter(contains="message")
    with connect(reader_url, statement_timeout=5_000) as connection, connection.transaction():
        number = Patterns().number(rows[0].message)
        found = describe(connection, {number: hour}, conditions(wanted, None, None))
        assert found[number].sample is not None
        counted = ask_by_partition(
            connection, "patterns_counted", wanted, (None, None), lambda _: {}
        )
        assert len(counted.rows) == 2
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)


# ---------------------------------------------------------------------------------------- facets


@pytest.mark.parametrize(
    ("field", "more", "strategy"),
    [
        ("component", {}, "rollup"),
        ("level", {"component": ("bank",)}, "rollup"),
        ("component", {"search": "bank"}, "newest"),
        ("trace_id", {"level": "ERROR"}, "newest"),
        ("user", {}, "newest"),
        ("data.a.b", {"component": ("b*",)}, "newest"),
        ("http.method", {}, "newest"),
        ("nothing.at.all", {}, "newest"),
    ],
)
def test_facets_are_the_most_frequent_values(filled, field, more, strategy):
    store, rows = filled.store, filled.rows

    def value(row: LogRow) -> str | None:
        data = json.loads(row.data or b"{}")
        return {
            "component": row.component,
            "level": row.level,
            "trace_id": row.trace_id,
            "user": data.get("user"),
            "data.a.b": str(data["a"]["b"]) if data else None,
            "http.method": data.get("http.method"),
        }.get(field)

    found = store.facets(field, LogFilter(limit=7, **more))
    there = Counter(value(row) for row in rows if matches(row, more))
    assert found.matched == there.total() > 0
    assert found.missing == there.pop(None, 0)
    expected = sorted(there.items(), key=lambda item: (-item[1], item[0]))
    assert [(one.value, one.n) for one in found.values] == expected[:7]
    assert (found.distinct, found.truncated) == (len(there), len(there) > 7)
    assert (found.sampled, found.strategy, found.scan_incomplete) == (False, strategy, False)


def facets_of_newest(filled):
    with connect(filled.reader_url) as connection:
        return facets(connection, "user", LogFilter(limit=1_000), scan=700)


def test_facets_of_more_than_may_be_looked_at_are_of_the_newest(filled):
    found = facets_of_newest(filled)
    newest = [json.loads(row.data or b"{}").get("user") for row in filled.rows[-700:]]
    assert (found.sampled, found.matched) == (True, 700)
    assert {one.value: one.n for one in found.values} == Counter(filter(None, newest))


def test_facets_of_long_values_are_of_their_beginnings(store, maker):
    made = [maker.row(data=json.dumps({"stack": "é" * 300 + str(i)}).encode()) for i in range(3)]
    store.write(batch([*made, maker.row(data=b'{"stack":"short"}')]))
    found = store.facets("stack", LogFilter())
    assert [(one.value, one.n) for one in found.values] == [("é" * 256, 3), ("short", 1)]


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: s.histogram(LogFilter(), "soon"), "interval='soon' is no interval"),
        (lambda s: s.histogram(LogFilter(), "0m"), "is no interval"),
        (
            lambda s: s.histogram(LogFilter(since="7d"), "1s"),
            r"interval=1s makes 604\d+ columns: allowed are 1000, take 3h",
        ),
        (lambda s: s.histogram(LogFilter(since="1970-01-01")), "1000, narrow since or until$"),
        (lambda s: s.histogram(LogFilter(level="LOUD")), "does not exist"),
        (lambda s: s.histogram(LogFilter(regex="(")), "cannot be used"),
        (lambda s: s.summary(LogFilter(search="x")), "time, component and level only"),
        (lambda s: s.summary(LogFilter(limit=0)), "limit=0"),
        (lambda s: s.patterns(LogFilter(limit=10_000)), "limit=10000"),
        (lambda s: s.patterns(LogFilter(since="soon")), "is no time"),
        (lambda s: s.compare(LogFilter(), LogFilter(since="1h")), "needs since"),
        (lambda s: s.compare(LogFilter(since="1h"), LogFilter(since="2120-01-01")), "not before"),
        (
            lambda s: s.compare(LogFilter(since="1h"), LogFilter(since="1h"), min_ratio=0),
            "min_ratio=0",
        ),
        (lambda s: s.facets("", LogFilter()), "field='' is none"),
        (lambda s: s.facets("a..b", LogFilter()), "is none"),
        (lambda s: s.facets("a\0", LogFilter()), "is none"),
        (lambda s: s.facets("a\ud800", LogFilter()), "is none"),
        (lambda s: s.context(str(UUID(int=1)), datetime.max), "created_at=9999-12-31 is not"),
        (lambda s: s.facets("user", LogFilter(limit=10_000)), "limit=10000"),
        (lambda s: s.export(LogFilter(level="LOUD")), "does not exist"),
        (lambda s: list(s.export(LogFilter(regex="("))), "cannot be used"),
        (lambda s: s.trace("abc", limit=0), "limit=0"),
        (lambda s: s.trace(""), "trace_id is empty"),
        (lambda s: s.context("abc"), "id='abc' is no record's id"),
        (lambda s: s.context(str(UUID(int=1)), before=501), "before=501"),
        (lambda s: s.context(str(UUID(int=1)), same="level"), "same='level'"),
    ],
)
def test_bad_input_is_one_clear_line(store, maker, ask, words):
    store.write(batch(maker.rows(3)))
    for _ in range(3):  # and nothing is left behind that would refuse the next
        with pytest.raises(BadFilter, match=words) as caught:
            ask(store)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "times",
    [
        {"since": "0001-01-01"},
        {"since": "1h", "until": "9999-12-31T23:59:59Z"},
        {"since": "9999-12-31T23:30Z"},
    ],
)
def test_a_time_of_which_no_record_can_be_is_one_clear_line_too(store, times):
    wanted = LogFilter(**times)
    for ask in (
        lambda: store.query(wanted),
        lambda: store.histogram(wanted),
        lambda: store.summary(wanted),
        lambda: store.patterns(wanted),
        lambda: store.facets("level", wanted),
        lambda: store.compare(LogFilter(since="1h"), wanted),
        lambda: store.export(wanted),
    ):
        with pytest.raises(BadFilter, match=r"is not possible: years are 1970 to 2200$"):
            ask()


def test_a_count_that_runs_out_of_time_says_what_to_narrow(writer_url, reader_url, database, maker):
    with open_store(writer_url, reader_url=reader_url, query_timeout_s=0.2) as store:
        store.write(batch(maker.rows(10)))
        database.connection.execute("BEGIN; LOCK TABLE logs")
        for ask in (
            lambda: store.patterns(LogFilter(search="message")),
            lambda: store.histogram(LogFilter(search="message")),
            lambda: store.facets("i", LogFilter()),
            lambda: store.trace("trace-0000"),
            lambda: store.context(str(UUID(int=1))),
        ):
            with pytest.raises(
                QueryTimeout, match=r"ran out of time: (narrow|give|the id)"
            ) as caught:
                ask()
            assert "\n" not in str(caught.value)
        database.connection.execute("ROLLBACK")
        assert store.patterns(LogFilter(search="message")).matched == 10


def test_what_was_counted_until_the_time_ran_out_is_told(writer_url, reader_url, database, maker):
    """Two days ago there is so much to look at that nothing before yesterday can be counted."""
    with open_store(writer_url, reader_url=reader_url) as store:
        for day in range(4):
            us = maker.now_us - day * DAY_US
            store.write(batch(maker.rows(5, created_at_us=us, level="WARN")))
            for _ in range(3 if day == 2 else 0):
                store.write(batch(maker.rows(700, created_at_us=us, message="a" * 60_000)))
    wanted = LogFilter(regex="(a*)*(a*)*b$|message", level="INFO")
    reached = text(floor(maker.now_us - DAY_US, DAY_US))
    with open_store(writer_url, reader_url=reader_url, query_timeout_s=0.4) as store:
        for found in (store.patterns(wanted), store.histogram(wanted), store.facets("i", wanted)):
            assert (found.scan_incomplete, found.reached) == (True, reached)
            assert (found.matched, found.matched_capped) == (10, True)
        with pytest.raises(QueryTimeout):  # half of a window can be compared with nothing
            store.compare(
                msgspec.structs.replace(wanted, since="3d", until="1h"),
                msgspec.structs.replace(wanted, since="1h"),
            )
        for day in (maker.now_us, maker.now_us - DAY_US):
            name = f"logs_{datetime.fromtimestamp(day / 1e6, UTC):%Y%m%d}"
            database.connection.execute(f"TRUNCATE {name}")
        for ask in (store.patterns, store.histogram, lambda w: store.facets("i", w)):
            with pytest.raises(QueryTimeout, match="ran out of time: narrow"):
                ask(wanted)  # not even the newest one that holds anything was counted
