"""A filter becomes constant SQL and bound values, whatever the values are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import BadFilter, Comparison, LogFilter
from dewey_logs.filters import conditions

TEXT = st.text(max_size=40)
COMPARISONS = st.builds(
    Comparison,
    st.lists(TEXT | st.integers(-3, 3).map(str), max_size=3).map(tuple),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~", "exists", "missing"]),
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
)
FILTERS = st.builds(
    LogFilter,
    component=st.lists(TEXT, max_size=3).map(tuple),
    trace_id=st.none() | TEXT,
    search=st.none() | TEXT,
    contains=st.none() | TEXT,
    regex=st.none() | TEXT,
    data=st.none() | st.dictionaries(TEXT, TEXT | st.integers() | st.floats(), max_size=2),
    where=st.lists(COMPARISONS, max_size=3).map(tuple),
)
TAKEN_APART = "to_tsvector('simple', left(message, 8192))"
PARTS = (
    "message ILIKE %({0})s",
    'strpos(lower(message COLLATE "C"), %({0}_piece)s) > 0',
    'CASE WHEN strpos(lower(message COLLATE "C"), %({0}_piece)s) > 0'
    " THEN message ILIKE %({0})s ELSE false END",
    'CASE WHEN strpos(lower(message COLLATE "C"), %({0}_piece)s) > 0'
    " OR octet_length(message) > length(message)"
    " THEN message ILIKE %({0})s ELSE false END",
)
WORD = 'strpos(lower(message COLLATE "C"), %(word_N)s) > 0'
WORDS = (
    WORD,
    f"({WORD} OR octet_length(message) > length(message)"
    ' AND lower(message COLLATE "C") LIKE %(word_N_forms)s)',
)
CLAUSES = {
    "component = %(component)s",
    "component = ANY (%(components)s)",
    "component LIKE %(glob)s",
    "(component = ANY (%(components)s::text[]) OR component LIKE ANY (%(globs)s))",
    "trace_id = %(trace)s",
    "trace_id ^@ %(trace)s",
    "(trace_id ^@ %(trace)s OR trace_id ^@ %(trace_uuid)s)",
    f"{TAKEN_APART} @@ websearch_to_tsquery('simple', %(search)s)",
    f"{TAKEN_APART} @@ websearch_to_tsquery('simple', %(words)s)",
    "CASE WHEN message ~* %(adjoining)s OR octet_length(message) > %(longest)s"
    f" THEN {TAKEN_APART} @@ websearch_to_tsquery('simple', %(search)s) ELSE false END",
    *(part.format("contains") for part in PARTS),
    *WORDS,
    "message ~ %(regex)s",
    "data @> %(data)s::jsonb",
    "data @> %(value_N)s::jsonb",
    "data #> %(path_N)s::text[] = %(value_N)s::jsonb",
    "(data @> %(value_N)s::jsonb) IS NOT TRUE",
    "(data #> %(path_N)s::text[] = %(value_N)s::jsonb) IS NOT TRUE",
    "data #> %(path_N)s::text[] IS NOT NULL",
    "data #> %(path_N)s::text[] IS NULL",
    "(jsonb_typeof(data #> %(path_N)s::text[]) = 'string'"
    " AND (data #>> %(path_N)s::text[]) ILIKE %(value_N)s::text)",
    *(
        "(jsonb_typeof(data #> %(path_N)s::text[]) = 'number'"
        f" AND data #> %(path_N)s::text[] {sign} %(value_N)s::jsonb)"
        for sign in ("<", "<=", ">", ">=")
    ),
    *(
        "(jsonb_typeof(data #> %(path_N)s::text[]) = 'string'"
        f' AND (data #>> %(path_N)s::text[]) COLLATE "C" {sign} %(value_N)s::text)'
        for sign in ("<", "<=", ">", ">=")
    ),
}


@given(FILTERS)
def test_no_value_ever_becomes_part_of_the_statement(wanted):
    try:
        found = conditions(wanted, None, None)
    except BadFilter:
        return
    for clause in found.clauses:
        numberless = re.sub(r"_\d+(_forms)?\)s", r"_N\1)s", clause)
        assert numberless in CLAUSES or of_several_words(numberless)


def of_several_words(clause: str) -> bool:
    """Say whether it asks for one of several words."""
    for word in reversed(WORDS):
        clause = clause.replace(word, "?")
    return re.fullmatch(r"\(\(\?( AND \?)*\)( OR \(\?( AND \?)*\))+\)", clause) is not None


def test_no_filter_is_no_condition():
    assert conditions(LogFilter(), None, None).where == "true"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("4bf92f35", ["4bf92f35", "4bf92f35"]),
        ("4bf92f3577b3", ["4bf92f3577b3", "4bf92f35-77b3"]),
        ("4BF92F35", ["4BF92F35", "4bf92f35"]),
        ("4bf92f3577b34da6a3ce929d0e0e4736", ["4bf92f35-77b3-4da6-a3ce-929d0e0e4736"]),
        ("order-12345", ["order-12345"]),
        ("short", ["short"]),
        ("4bf92f3-", ["4bf92f3-"]),
        ("4bf92f3577b34da6a3ce929d0e0e47361", ["4bf92f3577b34da6a3ce929d0e0e47361"]),
    ],
)
def test_what_a_trace_id_is_compared_with(text, values):
    assert list(conditions(LogFilter(trace_id=text), None, None).values.values()) == values


@pytest.mark.parametrize("regex", [r"(a)\1", r"\\\1", r"(x)\\\9"])
def test_back_references_are_refused(regex):
    with pytest.raises(BadFilter, match="back-reference"):
        conditions(LogFilter(regex=regex), None, None)


@pytest.mark.parametrize("regex", [r"\\1", r"\d1", r"a{1}", r"\\\\1"])
def test_what_only_looks_like_a_back_reference_is_not(regex):
    assert conditions(LogFilter(regex=regex), None, None).values == {"regex": regex}


def test_equality_asks_for_containment_which_has_an_index():
    found = conditions(LogFilter(where=(Comparison(("a", "b.c"), "=", 1),)), None, None)
    assert found.where == "data @> %(value_0)s::jsonb"
    assert found.values == {"value_0": '{"a": {"b.c": 1}}'}


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Comparison((), "=", 1), "has 0 keys"),
        (Comparison(("a",) * 33, "=", 1), "has 33 keys: allowed are 1 to 32"),
        (Comparison(("k" * 257,), "=", 1), "a key of more than 256 characters"),
        (Comparison(("a",), "=", "x" * 10_000), "with 10002 characters: allowed are 1000"),
        (Comparison(("a",), "=", 10**5_000), "what is no JSON value"),
        (Comparison(("a",), "=", float("inf")), "what is no JSON value"),
        (Comparison(("a\0",), "=", 1), "contains a NUL"),
        (Comparison(("a",), "=", "\0"), "contains a NUL"),
        (Comparison(("\ud800",), "=", 1), "what is no JSON value"),
        (Comparison(("a",), ">", True), "takes a number or a string"),
        (Comparison(("a",), "<=", None), "takes a number or a string"),
        (Comparison(("a",), "~", ""), "takes a part of a string"),
        (Comparison(("a",), "~", 5), "takes a part of a string"),
        (Comparison(("a",), "LIKE", "x"), "'LIKE' is no comparison"),  # type: ignore[arg-type]  # the mistake
    ],
)
def test_a_comparison_that_cannot_be_meant_is_one_line(comparison, words):
    with pytest.raises(BadFilter) as caught:
        conditions(LogFilter(where=(comparison,)), None, None)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_too_many_comparisons_and_too_deep_data_are_refused():
    with pytest.raises(BadFilter, match="21 comparisons: allowed are 20"):
        conditions(LogFilter(where=(Comparison(("a",), "=", 1),) * 21), None, None)
    deep: dict[str, object] = {}
    for _ in range(64):
        deep = {"a": deep}
    with pytest.raises(BadFilter, match="nested deeper than 64"):
        conditions(LogFilter(data=deep), None, None)
