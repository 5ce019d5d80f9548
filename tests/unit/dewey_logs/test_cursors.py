"""A cursor comes back as it went out, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import BadFilter, LogFilter
from dewey_logs.cursors import make_cursor, read_cursor

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))
WANTED = LogFilter(component=("api.*",), data={"b": 1, "a": [2]})


def with_cursor(wanted, cursor):
    return msgspec.structs.replace(wanted, cursor=cursor)


@given(MOMENTS, st.binary(min_size=16, max_size=16), st.none() | MOMENTS, st.none() | MOMENTS)
def test_a_cursor_says_what_was_put_in(at, key, since, until):
    text = make_cursor(WANTED, (at, key), (since, until), 17, True)
    assert text.replace("-", "").replace("_", "").isalnum()
    found = read_cursor(with_cursor(WANTED, text))
    assert found is not None
    assert (found.at, found.id, found.bounds) == (at, key, (since, until))
    assert (found.matched, found.matched_capped) == (17, True)


def test_the_order_of_keys_in_data_does_not_matter_but_their_values_do():
    text = make_cursor(WANTED, (datetime.now(UTC), b"k" * 16), (None, None), 1, False)
    assert read_cursor(LogFilter(component=("api.*",), data={"a": [2], "b": 1}, cursor=text))
    with pytest.raises(BadFilter, match="another query"):
        read_cursor(LogFilter(component=("api.*",), data={"a": [2], "b": 2}, cursor=text))


@pytest.mark.parametrize(
    "wanted",
    [LogFilter(search="\ud800"), LogFilter(since="\udcff"), LogFilter(data={"a": object()})],
)
def test_a_filter_that_can_have_no_cursor_is_refused_with_any(wanted):
    text = make_cursor(WANTED, (datetime.now(UTC), b"k" * 16), (None, None), 1, False)
    with pytest.raises(BadFilter, match="another query"):
        read_cursor(with_cursor(wanted, text))


def test_a_cursor_that_counts_less_than_nothing_is_refused():
    text = make_cursor(WANTED, (datetime.now(UTC), b"k" * 16), (None, None), -1, False)
    with pytest.raises(BadFilter, match="cursor is damaged"):
        read_cursor(with_cursor(WANTED, text))


def test_a_cursor_outside_the_years_of_records_is_refused():
    for at, until in ((datetime.max, None), (datetime(2026, 1, 1), datetime.max)):
        bounds = None, until and until.replace(tzinfo=UTC)
        text = make_cursor(WANTED, (at.replace(tzinfo=UTC), b"k" * 16), bounds, 1, False)
        with pytest.raises(BadFilter, match="cursor is damaged"):
            read_cursor(with_cursor(WANTED, text))


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text):
    with pytest.raises(BadFilter, match="cursor"):
        read_cursor(with_cursor(WANTED, text))


@given(st.binary(max_size=80))
def test_a_cursor_cut_or_bent_is_refused(rubbish):
    import base64

    with pytest.raises(BadFilter, match="cursor"):
        read_cursor(with_cursor(WANTED, base64.urlsafe_b64encode(rubbish).decode()))
