from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import enum
import json
import math
import types
import uuid
from decimal import Decimal
from operator import index

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clientlib import (
    MAX_DATA_BYTES,
    Notes,
    RecordError,
    clean_data,
    clean_text,
    cleaning,
    parse_data,
)
from clientlib.plain import MAX_DEPTH, MAX_VALUES, is_finite, text_of

ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=30),
        st.binary(max_size=10),
        st.dates(),
        st.uuids(),
        st.decimals(),
        st.complex_numbers(),
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.one_of(st.text(st.characters(), max_size=8), st.integers(), st.none()),
            inner,
            max_size=4,
        )
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(st.text(st.characters()), st.integers(4, 200))
@example("\ud83d\ude00", 200)
def test_clean_text_is_utf8_without_nul_and_within_its_limit(text: str, limit: int):
    cleaned, original_bytes = clean_text(text, limit)
    raw = cleaned.encode()
    assert len(raw) <= limit
    assert "\0" not in cleaned
    if original_bytes is None:
        assert len(cleaned) <= len(text)
    else:
        assert original_bytes > limit


@given(st.binary(), st.integers(4, 200))
def test_clean_bytes_are_text_within_the_limit(raw: bytes, limit: int):
    cleaned, _ = clean_text(raw, limit)
    assert len(cleaned.encode()) <= limit


def test_clean_text_leaves_clean_text_alone():
    assert clean_text("Größe ✓", 100) == ("Größe ✓", None)


def test_surrogates_that_form_a_pair_are_the_character_they_mean():
    assert clean_text("\ud83d\ude00 \ud800", 100) == ("😀 \ufffd", None)


def test_text_is_cut_between_characters_and_the_size_is_told():
    assert clean_text("é" * 10, 5) == ("éé", 20)
    assert clean_text(("é" * 10).encode(), 5) == ("éé", 20)


@given(st.dictionaries(st.text(st.characters(), max_size=8), ANYTHING, max_size=5))
def test_any_data_becomes_one_json_object_within_the_limit(data):
    text = clean_data(data)
    assert len(text) <= MAX_DATA_BYTES
    assert b"\\u0000" not in text.replace(b"\\\\", b"")
    assert isinstance(msgspec.json.decode(text), dict)


@given(st.dictionaries(st.text(st.characters(), max_size=8), ANYTHING, max_size=5))
def test_cleaning_what_is_clean_changes_nothing(data):
    text = clean_data(data)
    assert clean_data(parse_data(text, Notes()), keep_godot=True) == text


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Struct(msgspec.Struct):
    a: int


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class Array:
    """As those of numpy and torch: an index only if it is a whole number, an int in any case."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return index(self.value)

    def __int__(self):
        return int(self.value)

    def __str__(self):
        return str(self.value)


class HostileMapping(collections.UserDict[str, object]):
    def items(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, math.nan), {"x": 1, "y": "NaN"}),
        (Struct(1), {"a": 1}),
        (Color.RED, "red"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (frozenset(), []),
        (b"ab", "YWI="),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.ChainMap({"a": 1}), {"a": 1}),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "(1, 2)": "c"}),
        (ValueError("bad"), "ValueError: bad"),
        (1 + 2j, "(1+2j)"),
        (Hostile(), "<unprintable Hostile>"),
        (Array(3), 3),
        (Array(3.7), "3.7"),
        (range(2), "range(0, 2)"),
        (10**5000, "0x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_value_has_its_json(value, expected):
    found = json.loads(clean_data({"v": value}))["v"]
    assert found.startswith(expected) if expected == "0x" else found == expected


def test_a_mapping_that_raises_does_not_take_its_neighbours_along():
    found = json.loads(clean_data({"a": 1, "bad": HostileMapping(), "z": 2}))
    assert (found["a"], found["z"]) == (1, 2)
    assert found["godot"] == {"cleaned": ["values"]}


def test_a_cycle_ends_where_it_begins():
    data: dict[str, object] = {"a": 1}
    data["self"] = data
    found = json.loads(clean_data({"data": data}))
    assert found["data"] == {"a": 1, "self": "[TOO DEEP]"}
    assert found["godot"] == {"cleaned": ["depth"]}


def test_equal_parts_that_are_no_cycle_are_kept():
    part = {"n": 1}
    assert json.loads(clean_data({"a": part, "b": part})) == {"a": {"n": 1}, "b": {"n": 1}}


def test_a_small_object_that_unfolds_into_millions_is_stopped():
    value: list[object] = []
    for _ in range(25):
        value = [value, value]
    text = clean_data({"bomb": value})
    assert text.count(b"[") <= MAX_VALUES + 9
    assert b'"values"' in text


def test_data_over_the_limit_keeps_what_fits_and_names_the_rest():
    data = {f"key{i}": [f"{i}" * 5_000] * 9 for i in range(10)}
    found = json.loads(clean_data(data))
    notes = found.pop("godot")
    assert set(found) | set(notes["omitted"]) == set(data)
    assert notes["truncated"]["data"] > MAX_DATA_BYTES
    assert len(found) >= 4


def test_more_than_32_keys_left_out_are_counted():
    found = json.loads(clean_data({f"{i}" * 1_000: ["x" * 8_000] for i in range(10, 99)}))
    assert len(found["godot"]["omitted"]) == 32
    assert found["godot"]["omitted_keys"] > 32


def test_notes_given_come_first_and_are_merged_with_those_found():
    notes = {"level": "FATAL", "truncated": {"message": 7}, "cleaned": ["depth"]}
    assert clean_data({"a": math.nan}, notes=notes) == (
        b'{"a":"NaN","godot":{"level":"FATAL","truncated":{"message":7},'
        b'"cleaned":["depth","numbers"]}}'
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"nul", b"\xff\xfe", b'{"a":1}}'])
def test_what_is_not_json_is_said_to_be_none(raw: bytes):
    with pytest.raises(RecordError, match="data is not JSON"):
        parse_data(raw, Notes())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes):
    with contextlib.suppress(RecordError):
        assert isinstance(parse_data(raw, Notes()), dict)


def test_a_hundred_thousand_levels_are_cut_without_recursing():
    notes = Notes()
    found = parse_data(b"[" * 100_000 + b"]" * 100_000, notes)
    assert clean_data(found).startswith(b'{"value":' + b"[" * (MAX_DEPTH - 1) + b'"[TOO DEEP]"')
    assert notes.cleaned == {"depth"}


@pytest.mark.parametrize(
    ("value", "finite"),
    [
        ({"a": None, "b": [1.5, (2,)]}, True),
        ({"a": {"b": [math.inf]}}, False),
        (math.nan, False),
        ({"a": Point(1, 2.0)}, False),  # cannot be told: the exact way decides
    ],
)
def test_what_msgspec_would_turn_into_null_is_found(value, finite):
    assert is_finite(value) is finite


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (b"a\xff", "a\ufffd"),
        (5, "5"),
        (None, "None"),
        (Hostile(), "<unprintable Hostile>"),
        (KeyError("k"), "KeyError: 'k'"),
    ],
)
def test_anything_has_a_text(value, expected):
    assert text_of(value) == expected


@pytest.mark.parametrize("tail", ["", "\\"])
def test_a_string_that_never_ends_is_searched_once(tail: str):
    def steps(quotes: int) -> int:
        text = "[" * 40 + '"' + '\\"' * quotes + tail
        return sum(1 for _ in cleaning._BRACKETS.finditer(text))

    assert steps(10) == steps(1_000) == 41


def test_wrong_json_beyond_4_mib_is_refused_and_strict_json_of_any_size_is_cut():
    filler = b"x" * cleaning.MAX_LENIENT_BYTES
    with pytest.raises(RecordError, match=r"data is not strict JSON and \d+ bytes long"):
        parse_data(b'{"n":NaN,"a":"%b"}' % filler, Notes())
    notes = Notes()
    found = json.loads(clean_data(parse_data(b'{"a":"%b"}' % filler, notes)))
    assert found["godot"]["truncated"]["data"] > cleaning.MAX_LENIENT_BYTES
