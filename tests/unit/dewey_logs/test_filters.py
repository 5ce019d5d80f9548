"""A filter becomes constant SQL and bound values, whatever the values are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import BadFilter, LogFilter
from dewey_logs.filters import conditions, required_word

TEXT = st.text(max_size=40)
FILTERS = st.builds(
    LogFilter,
    component=st.lists(TEXT, max_size=3).map(tuple),
    trace_id=st.none() | TEXT,
    search=st.none() | TEXT,
    contains=st.none() | TEXT,
    regex=st.none() | TEXT,
    data=st.none() | st.dictionaries(TEXT, TEXT | st.integers() | st.floats(), max_size=2),
)
CLAUSES = {
    "component = %(component)s",
    "component = ANY (%(components)s)",
    "component LIKE %(glob)s",
    "(component = ANY (%(components)s::text[]) OR component LIKE ANY (%(globs)s))",
    "trace_id = %(trace)s",
    "trace_id ^@ %(trace)s",
    "(trace_id ^@ %(trace)s OR trace_id ^@ %(trace_uuid)s)",
    "to_tsvector('simple', left(message, 8192)) @@ websearch_to_tsquery('simple', %(search)s)",
    "message ILIKE %(search_word)s",
    "message ILIKE %(contains)s",
    "message ~ %(regex)s",
    "data @> %(data)s::jsonb",
}


@given(FILTERS)
def test_no_value_ever_becomes_part_of_the_statement(wanted):
    try:
        found = conditions(wanted, None, None)
    except BadFilter:
        return
    assert set(found.clauses) <= CLAUSES


def test_no_filter_is_no_condition():
    assert conditions(LogFilter(), None, None).where == "true"


@pytest.mark.parametrize(
    ("search", "word"),
    [
        ("payment failed", "payment"),
        ('"for order" x1', "order"),
        ("a-b payment", "payment"),
        ("payment -refunded", "payment"),
        ("payment OR refund", None),
        ("payment or", None),
        ("größe", None),
        ("größe abc", "abc"),
        ("-payment", None),
        ("- payment", None),
        ('-"payment failed" x', None),
        ("x-", None),
        ("", None),
    ],
)
def test_the_word_that_every_match_contains(search, word):
    assert required_word(search) == word


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("4bf92f35", ["4bf92f35"]),
        ("4bf92f3577b3", ["4bf92f3577b3", "4bf92f35-77b3"]),
        ("4BF92F35", ["4BF92F35", "4bf92f35"]),
        ("4bf92f3577b34da6a3ce929d0e0e4736", ["4bf92f35-77b3-4da6-a3ce-929d0e0e4736"]),
        ("order-12345", ["order-12345"]),
        ("short", ["short"]),
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
