from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godot.stream.ids import StreamID

numbers = st.integers(0, 2**64 - 1)


def test_ids_compare_as_numbers_not_as_text():
    assert StreamID.parse("9-9") < StreamID.parse("9-10")
    assert StreamID.parse(b"1700-10") > StreamID.parse(b"1700-9")


def test_a_bare_millisecond_is_its_first_id():
    assert StreamID.parse("17") == StreamID(17, 0)


@given(numbers, numbers)
def test_text_and_back(ms: int, seq: int):
    assert StreamID.parse(str(StreamID(ms, seq))) == (ms, seq)


@given(numbers, numbers)
def test_next_is_the_smallest_greater_id(ms: int, seq: int):
    here = StreamID(ms, seq)
    assert here.next() > here
    assert here.next() in ((ms, seq + 1), (ms + 1, 0))


@pytest.mark.parametrize("text", ["", "x", "1-x", "-", "1-2-3"])
def test_what_is_no_id_is_an_error(text: str):
    with pytest.raises(ValueError):
        StreamID.parse(text)
