"""Questions to the store: pages that lose nothing, filters that mean what they say, bad ones."""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import sql

from dewey_logs import (
    BadFilter,
    LogFilter,
    LogRow,
    QueryTimeout,
    SchemaProblem,
    Unavailable,
    open_store,
    parse_filter,
    sizes,
)
from dewey_logs.filters import conditions
from dewey_logs.patience import PatientConnection
from dewey_logs.words import required_words
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, eventually


def ids(page):
    return [UUID(row.id).bytes for row in page.rows]


def pages(store, wanted):
    """Yield every page of a query."""
    while True:
        page = store.query(wanted)
        yield page
        if page.next_cursor is None:
            return
        wanted = msgspec.structs.replace(wanted, cursor=page.next_cursor)


def stored(store, rows: list[LogRow]):
    store.write(batch(rows))
    return [row.id for row in sorted(rows, key=lambda r: (r.created_at_us, r.id), reverse=True)]


def test_a_page_that_is_chosen_by_time_takes_two_messages(store, maker, monkeypatch):
    """A hundred callers wait for each: what a transaction says besides costs as much again."""
    stored(store, maker.rows(3))
    store.query(LogFilter())
    messages = []
    wait = PatientConnection.wait

    def counted(self, *given, **named):
        messages.append(given)
        return wait(self, *given, **named)

    monkeypatch.setattr(PatientConnection, "wait", counted)
    page = store.query(LogFilter(limit=1, since="1h"))
    assert (page.returned, page.matched, len(messages)) == (1, 3, 2)
    messages.clear()
    store.query(LogFilter(limit=1, level="ERROR"))
    assert len(messages) > 2  # a count that may be long has its limit, which takes a transaction


def test_a_record_is_shown_as_it_was_given(store, maker):
    row = maker.row(level="WARN", data=b'{"a":{"b":[1,null,"x"]}}', created_at_us=maker.now_us)
    store.write(batch([row]))
    page = store.query(LogFilter())
    [shown] = page.rows
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.created_at_us)
    assert shown.created_at == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert (shown.id, shown.level, shown.message) == (str(UUID(bytes=row.id)), "WARN", row.message)
    assert (shown.component, shown.trace_id) == (row.component, row.trace_id)
    assert shown.data == {"a": {"b": [1, None, "x"]}}
    assert (page.returned, page.truncated, page.next_cursor) == (1, False, None)
    assert (page.matched, page.matched_capped) == (1, False)
    assert page.took_ms > 0


def test_an_empty_store_answers_with_nothing(store):
    page = store.query(LogFilter())
    assert (page.rows, page.matched, page.truncated) == ((), 0, False)


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_lose_and_repeat_nothing_while_rows_arrive(store, dewey_url, maker, size, order):
    """Several rows a microsecond, on two days, so that the time alone decides nothing."""
    rows = [
        maker.row(created_at_us=maker.now_us - (i % 2) * DAY_US - i // 6 * 2) for i in range(60)
    ]
    expected = stored(store, rows)
    if order == "asc":
        expected.reverse()
    other = Maker(producer=99)
    shifts = iter((-DAY_US - 7, -3, 1_000_000, -30, -DAY_US + 5) * 6)
    seen = []
    with open_store(dewey_url) as writer:
        for page in pages(store, LogFilter(limit=size, order=order)):
            assert page.returned <= size
            assert page.truncated == (page.next_cursor is not None)
            seen += ids(page)
            shift = next(shifts, None)
            if shift is not None:
                writer.write(batch([other.row(created_at_us=maker.now_us + shift)]))
    assert len(seen) == len(set(seen))
    assert [key for key in seen if key in set(expected)] == expected


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(component=("shop.api",)),
        LogFilter(component=("shop.*",), level="ERROR"),
        LogFilter(trace_id="trace-00000000"),
        LogFilter(contains="XX"),
        LogFilter(search="-absent"),
    ],
)
def test_a_page_is_cut_where_its_records_are_too_many_bytes(
    store, maker, monkeypatch, wanted, order
):
    """Small ones and large ones in turn, and one that is larger than a page alone."""
    monkeypatch.setattr(sizes, "MAX_BYTES", 300_000)
    rows = [
        maker.row(
            message="xx" * (1, 40_000, 200, 150_001 if i == 11 else 20_000)[i % 4],
            data=b'{"a":"%s"}' % (b"y" * (i % 2 * 9_000)),
            created_at_us=maker.now_us - i * 40_000_000,
            trace_id="trace-00000000",
            level="ERROR",
        )
        for i in range(30)
    ]
    store.write(batch(rows))
    sizes_of = {str(UUID(bytes=row.id)): len(row.message) + len(row.data) for row in rows}
    found = list(pages(store, msgspec.structs.replace(wanted, limit=1_000, order=order)))
    shown = [row.id for page in found for row in page.rows]
    assert shown == sorted(sizes_of, reverse=order == "asc")
    assert len(found) > 3
    assert [page.truncated for page in found] == [True] * (len(found) - 1) + [False]
    for page in found:
        assert page.returned == len(page.rows) >= 1
        assert sum(sizes_of[row.id] for row in page.rows) <= 310_000 or page.returned == 1
        assert page.matched == 30 or page.matched_capped


def test_a_relative_window_does_not_slide_between_pages(store, maker):
    rows = [maker.row(created_at_us=maker.now_us - i * 1_000_000) for i in range(20)]
    expected = stored(store, rows)
    first = store.query(LogFilter(since="1h", limit=19))
    late = maker.row(created_at_us=maker.now_us + 5_000_000)
    store.write(batch([late]))
    rest = store.query(LogFilter(since="1h", limit=19, cursor=first.next_cursor))
    assert ids(first) + ids(rest) == expected
    assert rest.matched == first.matched == 20


def test_the_count_is_exact_up_to_a_thousand_and_then_capped(store, maker):
    stored(store, maker.rows(1_000))
    page = store.query(LogFilter(limit=10))
    assert (page.matched, page.matched_capped) == (1_000, False)
    store.write(batch(maker.rows(1)))
    page = store.query(LogFilter(limit=10))
    assert (page.matched, page.matched_capped) == (1_000, True)


def test_time_bounds_include_since_and_exclude_until(store, maker):
    start = maker.now_us // 1_000_000 * 1_000_000 - 3_600_000_000
    rows = [maker.row(created_at_us=start + i * 1_000_000) for i in range(5)]
    stored(store, rows)

    def text(us):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
        return moment.isoformat()

    since, until = text(start + 1_000_000), text(start + 3_000_000)
    found = store.query(LogFilter(since=since, until=until, order="asc"))
    assert ids(found) == [rows[1].id, rows[2].id]
    assert store.query(LogFilter(since="30m")).returned == 0
    assert store.query(LogFilter(since="-2h", until="30m")).returned == 5
    assert store.query(LogFilter(until="now-2h")).returned == 0


def test_components_by_name_list_and_glob(store, maker):
    names = ["api", "api.users", "api.orders", "apix", "web", "a_b", "a%b", "a\\b", "aXb"]
    rows = {name: maker.row(component=name) for name in names}
    stored(store, list(rows.values()))

    def found(*wanted):
        page = store.query(LogFilter(component=wanted))
        return {row.component for row in page.rows}

    assert found("api") == {"api"}
    assert found("api", "web", "nowhere") == {"api", "web"}
    assert found("api.*") == {"api.users", "api.orders"}
    assert found("api*") == {"api", "api.users", "api.orders", "apix"}
    assert found("*.users", "web") == {"api.users", "web"}
    assert found("*i.*s", "w*") == {"api.users", "api.orders", "web"}
    assert found("*") == set(names)
    for name in ("a_b", "a%b", "a\\b"):
        assert found(name) == {name}
        assert found(name[:2] + "*") == {name}


def test_the_level_is_a_minimum_and_knows_its_aliases(store, maker):
    levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]
    stored(store, [maker.row(level=level) for level in levels])
    for i, level in enumerate(levels):
        assert {r.level for r in store.query(LogFilter(level=level)).rows} == set(levels[i:])
    assert store.query(LogFilter(level="warning")).returned == 2
    assert store.query(LogFilter(level=" critical ")).returned == 1


def test_a_trace_by_its_whole_id_or_its_beginning(store, maker):
    one = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    near = "4bf92f35-77b3-4da6-a3ce-929d0e0e4737"
    names = [one, near, "order-12345678", "order-1234567", "short", None, "deadbeefcafe%",
             "10000001", "100000010"]  # fmt: skip
    stored(store, [maker.row(trace_id=name) for name in names])

    def found(text):
        return {row.trace_id for row in store.query(LogFilter(trace_id=text)).rows}

    assert found(one) == found(one.upper()) == found(one.replace("-", "")) == {one}
    assert found("4bf92f35") == found("4BF92F35-77") == found("4bf92f3577b34da6a") == {one, near}
    assert found("order-1234567") == {"order-1234567"}
    assert found("order-12345678") == {"order-12345678"}
    assert found("short") == {"short"}
    assert found("shor") == set()
    assert found("deadbeefcafe%") == {"deadbeefcafe%"}
    assert found("4bf92f35%") == found("4bf92f3-") == set()
    assert found("10000001") == {"10000001"}  # the beginning of a UUID, too, but of no other id


def test_words_phrases_negation_and_or(store, maker):
    texts = [
        "payment failed for order 42",
        "Payment succeeded for order 42",
        "order for payment",
        "shipping started",
        "a-b-c compound, api.example.com/path?x=1",
    ]
    stored(store, [maker.row(message=text) for text in texts])

    def found(text):
        return {texts.index(row.message) for row in store.query(LogFilter(search=text)).rows}

    assert found("payment") == {0, 1, 2}
    assert found("PAYMENT order") == {0, 1, 2}
    assert found("payment 42") == {0, 1}
    assert found('"for order"') == {0, 1}
    assert found('"order for" payment') == {2}
    assert found("payment -failed") == {1, 2}
    assert found("failed or shipping") == {0, 3}
    assert found("failed OR shipping") == {0, 3}
    assert found('payment -"order 42"') == {2}
    assert found("- payment order") == set()
    assert found("-payment") == {3, 4}
    assert found("pay") == set()
    assert found("compound") == {4}
    assert found("a-b-c") == {4}
    assert found("absent") == set()


@pytest.mark.parametrize(
    "search",
    ["- b", 'x -"b c"', 'x"-b', "--b", "-b,c", "a or:b", "(or) b", "a\xa0b", "-a\xa0b", "a -b-c",
     "'b'", "b'", "!b", "a & b", "a|b", "b:*", "<b>", '"', '""', '"b', "or", "b or", "b\\", "1e5",
     '"a <b cx d> c"', "b-c", '"a &bc; c"', '"bc://a"', "a/b.c"],
)  # fmt: skip
def test_the_prefilter_never_hides_what_the_search_alone_finds(store, maker, database, search):
    texts = [" ".join(p) for n in (1, 2, 3) for p in itertools.permutations("abcx", n)]
    texts += ["b-c", "a\xa0b", "'b'", "<b>", "1e5 B", "or"]
    stored(store, [maker.row(message=text) for text in texts])
    plain = database.rows(
        "SELECT message FROM logs WHERE to_tsvector('simple', message)"
        " @@ websearch_to_tsquery('simple', %s)",
        search,
    )
    try:
        found = store.query(LogFilter(search=search, limit=1_000))
    except BadFilter:
        assert not any(character.isalnum() for character in search)
        return
    assert sorted(row.message for row in found.rows) == sorted(row[0] for row in plain)


def test_a_word_for_the_prefilter_is_one_lexeme(database):
    words = ["".join(word) for n in range(1, 7) for word in itertools.product("4eEb", repeat=n)]
    plain = [word for word in words if required_words(word) == ((word,),)]
    assert {"4bb4", "4e", "44eb4", "b4e4", "444444"} <= set(plain) < set(words)
    several = database.rows(
        "SELECT w FROM unnest(%s::text[]) w"
        " WHERE (SELECT count(*) FROM ts_parse('default', w)) > 1",
        plain,
    )
    assert several == []


def test_a_run_for_the_prefilter_is_a_part_of_a_lexeme(database):
    words = ["".join(word) for n in range(2, 6) for word in itertools.product("ae1-./@", repeat=n)]
    runs = [(word, run) for word in words for way in required_words(word) for run in way]
    assert {("ae-1", "ae"), ("1.ae", "ae"), ("11/a", "11"), ("a@ea", "ea")} <= set(runs)
    elsewhere = database.rows(
        "SELECT w, r FROM unnest(%s::text[], %s::text[]) t(w, r) WHERE NOT EXISTS ("
        "SELECT FROM unnest(tsvector_to_array(to_tsvector('simple', w))) l WHERE strpos(l, r) > 0)",
        *(list(column) for column in zip(*runs, strict=True)),
    )
    assert elsewhere == []


def test_a_search_sees_the_first_eight_thousand_characters(store, maker):
    stored(
        store,
        [maker.row(message="x " * 2_000 + "needle"), maker.row(message="x " * 5_000 + "needle")],
    )
    assert store.query(LogFilter(search="needle")).returned == 1
    assert store.query(LogFilter(contains="needle")).returned == 2


def test_a_substring_in_any_case_takes_every_character_as_it_stands(store, maker):
    texts = ["100% done", "100 done", "under_score", "underXscore", "back\\slash", "O'Reilly; DROP"]
    stored(store, [maker.row(message=text) for text in texts])

    def found(text):
        return {row.message for row in store.query(LogFilter(contains=text)).rows}

    assert found("0% D") == {"100% done"}
    assert found("under_") == {"under_score"}
    assert found("K\\S") == {"back\\slash"}
    assert found("o'r") == {"O'Reilly; DROP"}
    assert found("%") == {"100% done"}


def test_a_regular_expression(store, maker):
    texts = ["took 17 ms", "took 1234 ms", "TOOK 5 ms"]
    stored(store, [maker.row(message=text) for text in texts])

    def found(text):
        return {row.message for row in store.query(LogFilter(regex=text)).rows}

    assert found(r"took \d{4} ms") == {"took 1234 ms"}
    assert found(r"(?i)^took \d ms$") == {"TOOK 5 ms"}
    assert found(r"\\1") == set()


@pytest.mark.parametrize(
    ("regex", "words"),
    [
        ("(((a{1,100}){1,100}){1,100}){1,100}b", "too complex|takes too long to be tried"),
        ("((((((a?){9}){9}){9}){9}){9}){9}b", "too complex|takes too long to be tried"),
        ("(x|y|z|w|[a-z]+|.*){255}", "takes too long to be tried"),
        ("a{256}", "invalid repetition count"),
        ("[[:loud:]]", "invalid character class"),
        ("(?<=(?=a)", "invalid regular expression"),
    ],
)
def test_a_regular_expression_that_explodes_is_one_line(
    dewey_url, maker, monkeypatch, regex, words
):
    monkeypatch.setattr("dewey_logs.query.REGEX_TIMEOUT_MS", 300)
    with open_store(dewey_url, query_timeout_s=1.0) as store:
        store.write(batch(maker.rows(3, message="a" * 20_000)))
        with pytest.raises((BadFilter, QueryTimeout), match=words) as caught:
            store.query(LogFilter(regex=regex))
        assert "\n" not in str(caught.value)
        assert store.query(LogFilter(regex="^(a+)+$")).returned == 3


def test_places_of_data_are_compared_by_type(store, maker):
    stored(store, [
        maker.row(message="a", data=b'{"order":8812,"user":{"name":"bob"},"tags":["x",7]}'),
        maker.row(message="b", data=b'{"order":8000.5,"user":null}'),
        maker.row(message="c", data=b'{"order":"9000","user":{"name":"Bobby"}}'),
        maker.row(message="d", data=None),
    ])  # fmt: skip

    def found(text):
        return "".join(sorted(row.message for row in store.query(parse_filter(text)).rows))

    assert found("data.order>8000") == "ab"
    assert found("data.order>8000 data.order<8812") == "b"
    assert found("data.order>=8812 data.order<=8812.0") == "a"
    assert found('data.order>"8000"') == "c"
    assert found('data.order="9000"') == "c"
    assert found("data.order!=8812") == "bcd"
    assert found("data.user.name=bob") == "a"
    assert found("data.user.name~BOB") == "ac"
    assert found("data.user.name!=*") == "bd"
    assert found("data.user=*") == "abc"
    assert found("data.user=null") == "b"
    assert found("data.tags.0=x data.tags.-1=7") == "a"
    assert found("data.tags=x") == ""


def test_equal_places_are_found_by_the_index_over_data(plans, dewey_url, store, maker):
    """The day of today has it once it is sealed."""
    bobs = maker.rows(10, data=b'{"user":{"name":"bob"},"n":4}')
    store.write(batch([*maker.rows(1_000), *bobs]))
    with psycopg.connect(dewey_url, autocommit=True) as owner:
        for part, name, definition in owner.execute(
            "SELECT p.name, i.name, i.definition"
            " FROM dewey_partitions() p, dewey_search_indexes(p.name) i"
            " WHERE pg_relation_size(p.part) > 0"
        ).fetchall():
            owner.execute(f"CREATE INDEX {name} ON {part} {definition}")
        owner.execute("ANALYZE logs")
    first, *_ = plans(parse_filter("data.user.name=bob data.n>3"))
    assert "Index Cond: (data @> " in first


def test_data_is_found_by_what_it_contains(store, maker):
    stored(store, [
        maker.row(data=b'{"order":8812,"user":{"id":1,"tags":["a","b"]}}'),
        maker.row(data=b'{"order":"8812"}'),
        maker.row(data=None),
    ])  # fmt: skip

    def found(value):
        return store.query(LogFilter(data=value)).returned

    assert found({"order": 8812}) == 1
    assert found({"order": "8812"}) == 1
    assert found({"user": {"tags": ["b"]}}) == 1
    assert found({"user": {"id": 2}}) == 0
    assert found({}) == 2
    assert found({"ключ": "'; DROP TABLE logs; --"}) == 0


def test_all_parts_of_a_filter_narrow_together(store, maker):
    trace = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    want = maker.row(component="api.a", level="ERROR", message="boom 7", trace_id=trace)
    others = [
        msgspec.structs.replace(maker.row(), **change)
        for change in (
            {"component": "web"}, {"level": "INFO"}, {"message": "calm 7"}, {"trace_id": None},
        )
    ]  # fmt: skip
    stored(store, [want, *others])
    found = store.query(
        LogFilter(
            since="1h", component=("api.*",), level="WARN",
            trace_id="4bf92f35", search="boom", contains="OM", regex="[0-9]$", data={"i": 1},
        )
    )  # fmt: skip
    assert ids(found) == [want.id]


HOSTILE = [
    "'",
    '"',
    "';--",
    "\\",
    "%(limit)s",
    "%s",
    "%%",
    "{}",
    "{matching}",
    "$1",
    "\u202e",
    "a" * 120,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_are_values(store, maker, database, text):
    rows = [maker.row(message=text, component=text, trace_id=text), *maker.rows(3)]
    stored(store, rows)
    for wanted in (
        LogFilter(component=(text,)),
        LogFilter(component=(text, "other")),
        LogFilter(trace_id=text),
        LogFilter(contains=text),
        LogFilter(data={text: text}),
    ):
        found = {row.message for row in store.query(wanted).rows}
        assert found == (set() if wanted.data else {text})
    assert database.one("SELECT count(*) FROM logs") == 4


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (LogFilter(limit=10_000), "limit=10000 is not possible: allowed is 1 to 1000"),
        (LogFilter(limit=0), "limit=0"),
        (LogFilter(order="up"), "order='up' is not known"),  # type: ignore[arg-type]  # the mistake
        (LogFilter(level="LOUD"), "level='LOUD' does not exist: allowed are TRACE DEBUG"),
        (LogFilter(since="soon"), "since='soon' is no time: try"),
        (LogFilter(since="1h", until="2h"), "since=1h is not before until=2h"),
        (LogFilter(regex="("), "the filter cannot be used: invalid regular expression"),
        (LogFilter(regex=r"(a)\1"), "back-reference"),
        (LogFilter(regex="a" * 201), "regex has 201 characters: allowed are 200"),
        (LogFilter(search="--- !!"), "contains no word"),
        (LogFilter(search="²"), "search='²' contains no word"),
        (LogFilter(search="   "), "search is empty"),
        (LogFilter(contains="a\x00b"), "contains contains a NUL"),
        (LogFilter(contains="\ud800"), "contains is no valid Unicode"),
        (LogFilter(component=("",)), "component is empty"),
        (LogFilter(component=("x",) * 101), "component has 101 names"),
        (LogFilter(trace_id="t" * 200), "trace_id has 200 characters"),
        (LogFilter(data={"a": float("nan")}), "data cannot be written as JSON"),
        (LogFilter(data={"a": "\x00"}), "data contains a NUL"),
        (LogFilter(data={"a": object()}), "data cannot be written as JSON"),
        (LogFilter(data={"a": "x" * 20_000}), "data has 20009 bytes"),
        (LogFilter(cursor="rubbish!"), "cursor is damaged"),
        (LogFilter(cursor="AAAA"), "cursor is damaged"),
        (LogFilter(cursor=""), "cursor is damaged"),
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_one_clear_line(store, wanted, words):
    with pytest.raises(BadFilter) as caught:
        store.query(wanted)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cursor_of_another_query_is_refused_but_another_limit_is_not(store, maker):
    stored(store, maker.rows(10))
    cursor = store.query(LogFilter(component=("shop.api",), limit=3)).next_cursor
    assert cursor
    for other in (LogFilter(cursor=cursor), LogFilter(component=("shop.*",), cursor=cursor)):
        with pytest.raises(BadFilter, match="another query"):
            store.query(other)
    again = LogFilter(component=("shop.api",), limit=7, cursor=cursor)
    assert store.query(again).returned == 7


def test_a_query_that_takes_too_long_says_what_to_narrow(dewey_url, database, maker):
    with open_store(dewey_url, query_timeout_s=0.1) as store:
        store.write(batch(maker.rows(1)))
        with database.connection.transaction():
            database.connection.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(QueryTimeout, match="narrow since or component"):
                store.query(LogFilter())
        assert store.query(LogFilter()).returned == 1


def test_a_count_that_takes_too_long_leaves_the_page_without_it(
    store, database, maker, monkeypatch
):
    monkeypatch.setattr("dewey_logs.walks.COUNT_TIMEOUT_MS", 1)
    for _ in range(30):
        store.write(batch(maker.rows(1_000, message="needle " + "x" * 500)))
    page = store.query(LogFilter(limit=3, regex="(needle.*y|needle x+$)"))
    assert (page.returned, page.matched, page.matched_capped) == (3, 4, True)
    assert (
        store.query(
            LogFilter(limit=3, cursor=page.next_cursor, regex="(needle.*y|needle x+$)")
        ).returned
        == 3
    )


def test_a_reader_can_change_nothing(dewey_url, maker):
    with open_store(dewey_url) as store:
        readers = store._readers  # type: ignore[attr-defined]  # Store is a protocol
        with pytest.raises(Unavailable, match="read-only"):
            readers._read(lambda connection: connection.execute("DELETE FROM logs"))


def test_an_exhausted_pool_says_so_and_recovers(dewey_url, database):
    with open_store(dewey_url, application_name="crowd") as store:
        readers = store._readers  # type: ignore[attr-defined]  # Store is a protocol
        release, held = threading.Event(), []

        def hold(connection):
            held.append(connection)
            release.wait(60)

        threads = [threading.Thread(target=readers._read, args=(hold,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(held) == 4)
        readers._pool.timeout = 0.2
        with pytest.raises(Unavailable, match="4 are allowed"):
            store.ping()
        release.set()
        for thread in threads:
            thread.join(60)
        store.ping()


def test_eleven_questions_take_turns_on_four_connections(store):
    def backend(connection):
        return connection.execute("SELECT pg_backend_pid() FROM pg_sleep(0.1)").fetchone()[0]

    with ThreadPoolExecutor(11) as threads:
        asked = [threads.submit(store._readers._read, backend) for _ in range(11)]
    backends = Counter(question.result() for question in asked)
    assert backends.total() == 11
    assert 1 <= len(backends) <= 4


def test_a_store_that_was_closed_opens_again(store, maker):
    store.ping()
    store.close()
    store.close()
    assert store.write(batch(maker.rows(1))).stored == 1
    assert store.query(LogFilter()).returned == 1


def test_totals_are_exact_while_the_store_is_small(store, database, maker):
    empty = store.totals()
    assert (empty.rows, empty.oldest, empty.newest, empty.partitions) == (0, None, None, 11)
    rows = maker.rows(5)
    store.write(batch([*rows, maker.row(message="\x00")]))
    totals = store.totals()
    assert (totals.rows, totals.rows_exact, totals.rejected_open) == (5, True, 1)
    assert totals.bytes > 0
    assert totals.oldest is not None
    assert totals.oldest <= store.query(LogFilter(order="asc", limit=1)).rows[0].created_at
    assert totals.newest == store.query(LogFilter(limit=1)).rows[0].created_at


def test_the_window_comes_from_the_database(store, database):
    assert (store.window().back_seconds, store.window().ahead_seconds) == (604_800, 86_400)
    assert database.rows("SELECT * FROM dewey_window()") == [(604_800, 86_400)]


@pytest.fixture
def plans(monkeypatch, store, database):
    """Return what tells the plans of the statements that a query really sends, for a large store.

    A few rows would be read one after the other.
    """
    name = database.one("SELECT current_database()")
    database.connection.execute(f"ALTER DATABASE {name} SET enable_seqscan = off")
    plain = PatientConnection.execute

    def asked(wanted: LogFilter) -> list[str]:
        found = []

        def execute(connection, query, values=None, **more):
            if isinstance(query, sql.Composed) and "FROM logs\n" in query.as_string():
                explained = plain(connection, sql.SQL("EXPLAIN ") + query, values)
                found.append("\n".join(line for (line,) in explained))
            return plain(connection, query, values, **more)

        with monkeypatch.context() as patch:
            patch.setattr(PatientConnection, "execute", execute)
            store.query(wanted)
        assert found
        return found

    return asked


def test_a_high_minimum_level_uses_the_small_index(plans, store, maker):
    store.write(batch([*maker.rows(1_000), *maker.rows(2, level="ERROR")]))
    for level in ("WARN", "ERROR"):
        for component in ((), ("shop.api",)):
            for plan in plans(LogFilter(level=level, component=component)):
                assert re.search("created_at_id_idx|component_created_at_idx[12]", plan)
                assert "component_created_at_idx " not in plan


def test_a_trace_prefix_and_a_glob_use_their_indexes(plans, store, maker):
    store.write(batch(maker.rows(10)))
    for trace in ("trace-0000", "4bf92f3577b34da6a3"):
        assert all("trace_id_created_at_idx" in plan for plan in plans(LogFilter(trace_id=trace)))
    for plan in plans(LogFilter(component=("shop.*",))):
        assert "Index Cond: ((component" in plan


def test_days_outside_the_bounds_are_left_out_of_the_plan(database, store):
    now = datetime.now(UTC)
    found = conditions(LogFilter(), now - timedelta(days=1), now)
    rows = database.connection.execute(
        f"EXPLAIN SELECT * FROM logs WHERE {found.where}", found.values
    ).fetchall()
    days = set(re.findall(r"logs_\d{8}", str(rows)))
    assert days == {f"logs_{now - timedelta(days=n):%Y%m%d}" for n in (0, 1)}


def test_no_statement_sorts_nulls_or_counts_rows_off():
    from dewey_logs.statements import folder

    text = (folder() / "queries.sql").read_text("utf-8").upper()
    assert "NULLS LAST" not in text
    assert "OFFSET" not in text


def test_a_database_without_our_tables_says_what_to_run(postgres_server):
    with (
        open_store(postgres_server.url()) as store,
        pytest.raises(SchemaProblem, match="dewey migrate"),
    ):
        store.query(LogFilter())
