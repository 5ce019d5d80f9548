"""The text of a filter is read once, means one thing, and is printed back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import BadFilter, Comparison, LogFilter, format_filter, narrowed, parse_filter

SPICE = st.sampled_from(
    ["", " ", '"', "\\", "/", ",", "*", ".", "OR", "or", "-", "level:x", "data.a=1", "{", "[1]",
     "1", "true", "null", '"q"', "a b", "a  b", "\t", "\xa0", "\u202e", "(x)", "NaN", "1e5", "=",
     "=1", "\\/"]
)  # fmt: skip
TEXT = st.text(max_size=12) | st.lists(SPICE | st.text(max_size=3), max_size=5).map("".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
SCALARS = SCALARS.filter(lambda value: value not in (float("inf"), float("-inf")))
KEYS = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
COMPARISONS = (
    st.builds(Comparison, KEYS, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), SCALARS)
    | st.builds(Comparison, KEYS, st.just("~"), TEXT)
    | st.builds(Comparison, KEYS, st.sampled_from(["exists", "missing"]))
)
JSON = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3)
)
MAYBE = st.none() | TEXT
FILTERS = st.builds(
    LogFilter,
    since=MAYBE, until=MAYBE, level=MAYBE, trace_id=MAYBE, search=MAYBE, contains=MAYBE,
    regex=MAYBE, cursor=MAYBE,
    component=st.lists(TEXT, max_size=3).map(tuple),
    data=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    where=st.lists(COMPARISONS, max_size=3).map(tuple),
    limit=st.integers(-10, 10_000),
    order=st.sampled_from(["asc", "desc"]),
)  # fmt: skip


@given(FILTERS)
def test_every_filter_is_printed_as_what_reads_back_as_itself(wanted):
    text = format_filter(wanted)
    again = parse_filter(text)
    assert repr(again) == repr(wanted)  # 1, 1.0 and True are equal, and not the same
    assert format_filter(again) == text
    assert text.isprintable()


@given(st.lists(SPICE | TEXT, max_size=8).map(" ".join))
def test_whatever_is_typed_is_a_filter_or_one_line(text):
    try:
        wanted = parse_filter(text)
    except BadFilter as exc:
        said = str(exc)
    else:
        said = ""
        assert parse_filter(format_filter(wanted)) == wanted
    assert "\n" not in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", LogFilter()),
        ("  \t ", LogFilter()),
        ("level>=warn", LogFilter(level="warn")),
        ("level:warn", LogFilter(level="warn")),
        ("component:shop.*,web", LogFilter(component=("shop.*", "web"))),
        ('component:"a,b",c', LogFilter(component=("a,b", "c"))),
        ("trace:4bf92f35", LogFilter(trace_id="4bf92f35")),
        ("trace_id:4bf92f35", LogFilter(trace_id="4bf92f35")),
        ("since:-1h until:2026-11-26T10:00Z", LogFilter(since="-1h", until="2026-11-26T10:00Z")),
        ('"card declined" -late OR retry', LogFilter(search='"card declined" -late OR retry')),
        ("card level:info declined", LogFilter(level="info", search="card declined")),
        ("10:15:30 example.com -x-y", LogFilter(search="10:15:30 example.com -x-y")),
        ('"level:info"', LogFilter(search='"level:info"')),
        ('search:"payment or"', LogFilter(search="payment or")),
        ('contains:"x y"', LogFilter(contains="x y")),
        ('contains:"\\"\\u00e9"', LogFilter(contains='"é')),
        ("regex:/a.*b/", LogFilter(regex="a.*b")),
        (r"regex:/\d+ \/x/", LogFilter(regex=r"\d+ \/x")),
        (r'regex:"\\d/"', LogFilter(regex=r"\d/")),
        ('data:{"a": [1, {"b": "x y"}]} boom',
         LogFilter(data={"a": [1, {"b": "x y"}]}, search="boom")),
        ("limit:5 order:asc cursor:abc", LogFilter(limit=5, order="asc", cursor="abc")),
        ("data.order>8000", LogFilter(where=(Comparison(("order",), ">", 8000),))),
        ("data.a.b=v", LogFilter(where=(Comparison(("a", "b"), "=", "v"),))),
        ("data.items.0.id!=7", LogFilter(where=(Comparison(("items", "0", "id"), "!=", 7),))),
        ('data."a.b"."=".c<=1.5', LogFilter(where=(Comparison(("a.b", "=", "c"), "<=", 1.5),))),
        ('data.a="8000"', LogFilter(where=(Comparison(("a",), "=", "8000"),))),
        ("data.a~8000", LogFilter(where=(Comparison(("a",), "~", "8000"),))),
        ("data.a=null", LogFilter(where=(Comparison(("a",), "=", None),))),
        ("data.a=true", LogFilter(where=(Comparison(("a",), "=", True),))),
        ("data.a=NaN", LogFilter(where=(Comparison(("a",), "=", "NaN"),))),
        ("data.a=* data.b!=*",
         LogFilter(where=(Comparison(("a",), "exists"), Comparison(("b",), "missing")))),
        ('data.a="*"', LogFilter(where=(Comparison(("a",), "=", "*"),))),
    ],
)  # fmt: skip
def test_what_a_text_means(text, wanted):
    assert repr(parse_filter(text)) == repr(wanted)


@pytest.mark.parametrize(
    "value",
    ["*", "{", "[1]", "{x", "1", "null", '"', "", " ", "a b", "\\", "=", "=5", ">", "<=x", "~"],
)
@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">=", "~"])
def test_a_string_that_looks_like_something_else_stays_a_string(value, operator):
    wanted = LogFilter(where=(Comparison(("a",), operator, value),))
    assert repr(parse_filter(format_filter(wanted))) == repr(wanted)


def test_the_canonical_form_is_short():
    text = (
        '-late   level:warn data.user="bob" contains:"x" component:"web" data:{ "a":1 } limit:100'
    )
    assert format_filter(parse_filter(text)) == (
        'level>=warn component:web -late contains:x data:{"a":1} data.user=bob'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("boom service:web", "character 6 ('service:web'): 'service' is no field: allowed are"),
        ("user.name=bob", "'user.name' is no field"),
        ("-level:warn", "only words can be negated"),
        ("-data.a=1", "only words can be negated"),
        ("level>warn", "write level>="),
        ("level=warn", "write level>="),
        ("since>1h", "write since:"),
        ("level:", "at its end: level has no value"),
        ("since: 1h", "since has no value"),
        ("component:a,,b", "component has no value"),
        ("component:a, b", "component has no value"),
        ("level:a level:b", "character 9 ('level:b'): level is given twice"),
        ("word search:other", "search is given twice"),
        ("a OR level:warn", "character 3 ('OR level:warn'): OR stands between two words"),
        ("level:warn or b", "OR stands between two words"),
        ("a OR OR b", "OR stands between two words"),
        ("a OR", "OR stands between two words"),
        ("(a OR b) c", "parentheses are not known"),
        ("-(a)", "parentheses are not known"),
        ('"abc', "a quote is not closed"),
        ('contains:"abc', "a quote is not closed"),
        ('a"b"', "character 2 ('\"b\"'): a blank has to follow"),
        ('"a"b', "a blank has to follow"),
        ('contains:"a"b', "a blank has to follow"),
        ('contains:a"b', "a blank has to follow"),
        (r'contains:"\x"', "no JSON string"),
        ("regex:/a", "not closed"),
        ("regex://", "empty or not closed"),
        ("limit:many", "limit takes a number"),
        ("order:up", "order takes asc or desc"),
        ("data:[1]", "takes a JSON object"),
        ("data:{'a':1}", "takes a JSON object"),
        ('data:{"a":NaN}', "takes a JSON object"),
        ("data:" + '{"a":' * 7_000, "takes a JSON object"),
        ("data.order", "a comparison is written without blanks"),
        ("data.order > 5", "a comparison is written without blanks"),
        ("data.order>", "data.order> has no value"),
        ("data..a=1", "data. has no value"),
        ("data.a={}", "no object and no array"),
        ("data.a=[1]", "no object and no array"),
        ("x" * 50_000, "the filter has 50000 characters: allowed are 40000"),
    ],
)  # fmt: skip
def test_a_malformed_text_is_one_line_that_names_the_place(text, words):
    with pytest.raises(BadFilter) as caught:
        parse_filter(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_narrows_a_filter_and_never_contradicts_it():
    wanted = LogFilter(level="warn", limit=50, where=(Comparison(("a",), "=", 1),))
    assert narrowed("boom limit:100 data.b=2", wanted) == LogFilter(
        level="warn",
        search="boom",
        limit=100,
        where=(Comparison(("a",), "=", 1), Comparison(("b",), "=", 2)),
    )
    assert narrowed("", wanted) == wanted
    with pytest.raises(BadFilter, match="level is given twice"):
        narrowed("level:warn", wanted)
