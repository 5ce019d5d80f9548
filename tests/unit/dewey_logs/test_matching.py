"""What a live record is held against is what the store's SQL says of it."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dewey_logs import BadFilter, LogFilter, LogRow, Source, matcher, parse_filter
from dewey_logs.matching import contains

TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


def row(**changed: object) -> LogRow:
    given = {
        "id": uuid.UUID(int=5).bytes,
        "created_at_us": 1_795_352_401_000_001,
        "component": "api.pay",
        "level": "WARN",
        "message": "Card declined",
        "trace_id": TRACE,
        "data": b'{"order":{"id":8812,"tags":["a","b"]},"ok":true,"n":1}',
        "producer": None,
        "sequence": None,
        "source": Source("1-1", ()),
    }
    return LogRow(**(given | changed))  # type: ignore[arg-type]  # a mapping of mixed values


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(level="debug"),
        LogFilter(level="WARNING"),
        LogFilter(component=("api.pay",)),
        LogFilter(component=("web", "api.*")),
        LogFilter(component=("*pay",)),
        LogFilter(trace_id=TRACE),
        LogFilter(trace_id="4bf92f35"),
        LogFilter(trace_id="4BF92F3577B34DA6A3CE929D0E0E4736"),
        LogFilter(trace_id="4bf92f3577b3"),
        LogFilter(contains="card DECL"),
        LogFilter(data={"order": {"id": 8812}}),
        LogFilter(data={"order": {"tags": ["b"]}, "ok": True}),
        LogFilter(since="2026-11-22T13:00:01.000001Z", until="2026-11-22T13:00:01.000002Z"),
        LogFilter(search="card DECLINED"),
        LogFilter(search='"card declined" -refunded'),
        LogFilter(search="refunded or card"),
        parse_filter("data.order.id>8811.5 data.order.id<=8812 data.order.tags.-1=b"),
        parse_filter("data.ok=true data.ok!=1 data.order.tags.0~A data.absent!=* data.n=*"),
        parse_filter("data.absent!=x data.order.tags.0>=a data.order.tags.0<b"),
    ],
)
def test_a_row_that_the_store_would_find_is_shown(wanted: LogFilter):
    assert matcher(wanted)(row())


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(level="ERROR"),
        LogFilter(component=("api",)),
        LogFilter(component=("apixpay", "API.*", "api.?ay")),
        LogFilter(trace_id="4bf92f3"),
        LogFilter(trace_id="4bf92f3-"),
        LogFilter(trace_id="00000000"),
        LogFilter(contains="card  declined"),
        LogFilter(data={"order": 8812}),
        LogFilter(data={"order": {"tags": ["c"]}}),
        LogFilter(data={"n": True}),
        LogFilter(data={"absent": None}),
        LogFilter(until="2026-11-22T13:00:01.000001Z"),
        LogFilter(since="2026-11-22T13:00:01.000002Z"),
        LogFilter(search="declined-card"),
        LogFilter(search='"declined card"'),
        LogFilter(search="card -declined"),
        LogFilter(search="car"),
        parse_filter("data.order.id>8812"),
        parse_filter('data.order.id="8812"'),
        parse_filter('data.order.id>"1"'),
        parse_filter("data.n=true"),
        parse_filter("data.ok>0"),
        parse_filter("data.absent=*"),
        parse_filter("data.order.tags.2=*"),
        parse_filter("data.order.tags.b=*"),
    ],
)
def test_a_row_that_the_store_would_not_find_is_not_shown(wanted: LogFilter):
    assert not matcher(wanted)(row())


def test_rows_without_trace_or_data_are_compared_too():
    bare = row(trace_id=None, data=None)
    assert matcher(LogFilter())(bare)
    assert not matcher(LogFilter(trace_id="4bf92f35"))(bare)
    assert not matcher(LogFilter(data={"n": 1}))(bare)


@example("*a*a*", "a")
@example("*a*a", "a")
@example("a*a", "a")
@given(st.text("ab.*\n", min_size=1, max_size=8).filter(str.strip), st.text("ab.\n", max_size=10))
def test_a_glob_means_any_characters_where_a_star_is(glob: str, component: str):
    meant = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), component, re.DOTALL)
    assert matcher(LogFilter(component=(glob,)))(row(component=component)) is (meant is not None)


def test_a_glob_of_many_stars_says_no_before_the_end_of_time():
    holds = matcher(LogFilter(component=("*a" * 40 + "*b",)))
    assert not holds(row(component="a" * 128))
    assert holds(row(component="a" * 127 + "b"))


def test_only_of_a_uuid_the_beginning_is_enough():
    assert not matcher(LogFilter(trace_id="order-10"))(row(trace_id="order-100"))
    assert not matcher(LogFilter(trace_id="10000001"))(row(trace_id="100000010"))
    assert matcher(LogFilter(trace_id="10000001"))(row(trace_id="10000001"))


def test_an_unknown_level_is_refused_before_anything_is_read():
    with pytest.raises(BadFilter, match="does not exist"):
        matcher(LogFilter(level="loud"))


def test_what_only_postgresql_decides_is_refused():
    with pytest.raises(BadFilter, match="regex is for stored records"):
        matcher(LogFilter(regex="(a+)+$"))


def test_numbers_are_compared_as_they_are_written():
    exact = row(data=b'{"n":0.1000000000000000055,"big":90071992547409931234567890}')
    assert not matcher(parse_filter("data.n=0.1"))(exact)
    assert matcher(parse_filter("data.n>0.1"))(exact)
    assert matcher(parse_filter("data.big>90071992547409931234567889"))(exact)
    assert matcher(parse_filter("data.big=90071992547409931234567890"))(exact)


@pytest.mark.parametrize(
    ("whole", "part", "held"),
    [
        ([1, [2, 3]], [[3]], True),
        ({"a": 1, "b": 2}, {"b": 2}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": "1"}, {"a": 1}, False),
        ("x", {"a": 1}, False),
        ({"a": {}}, {"a": {}}, True),
    ],
)
def test_containment_is_that_of_jsonb(whole: object, part: object, held: bool):
    assert contains(whole, part) is held
