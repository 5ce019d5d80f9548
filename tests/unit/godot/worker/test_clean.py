"""The short way gives what the long way gives, or nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clientlib import Producer, make_record
from dewey_logs import LogRow
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.clean import FEW, clean_rows
from godot.worker.decode import Decoder
from godot.worker.payload import all_clean

DAY_US = 86_400_000_000
WINDOW = 7 * DAY_US, DAY_US
ENTRY = StreamID(1_795_377_000_000, 3)
RECORD: dict[bytes, bytes] = {
    b"id": b"01a204ff-11e0-8000-8000-0055721d9a0b",
    b"created_at": b"2026-11-22T19:50:00.123456Z",
    b"component": b"shop.api",
    b"level": b"WARN",
    b"message": "paid 5 €".encode(),
    b"trace_id": b"8f33bbc1-dc2c-46ab-95d3-280f3c9a746f",
    b"data": b'{"order":7,"tags":["a"]}',
}
VALUES = {
    b"id": [
        b"01a204ff-11e0-8000-8000-0055721d9a0",
        b"01a204ff-11e0-8000-8000-0055721d9a0b0",
        b"01A204FF11E0800080000055721D9A0B",
        b"01a204ff-11e0-4000-8000-0055721d9a0b",
        b"01a204ff-11e0-8000-8000-0000000d9a0g",
        b"01a204ff 11e0-8000-8000-0055721d9a0b",
    ],
    b"created_at": [
        b"2026-11-22T19:50:00Z",
        b"2026-11- 2T19:50:00.123456Z",
        b"2026-11-22T19:50:00.123Z",
        b"2026-11-22T19:50:00.123456",
        b"2026-11-22T19:50:00.123456+01:00",
        b"2026-11-22 19:50:00.123456Z",
        b"2026-11-22T19:50:00,123456Z",
        b"2026-11-22T19:50:0.1234567Z",
        b"2026-11-22T19:50:60.123456Z",
        b"2026-11-22T24:00:00.000000Z",
        b"2026-02-30T19:50:00.123456Z",
        b"2026-11-22T19:50:00.+12345Z",
        b"2026-11-22T19:50:00. 12345Z",
        b"2026-11-22T19:50:00.12_345Z",
        b"2026-11-22T19:50:00.123456z",
        "2026-11-22T19:50:0٣.123456Z".encode(),
        b"2026-11-01T19:50:00.123456Z",
        b"2026-11-15T19:50:00.000000Z",
        b"2026-11-23T19:50:00.000001Z",
        b"0000-11-22T19:50:00.123456Z",
    ],
    b"component": [b"", b" ", b"c" * 129, b"c\0", "süd".encode(), b"\xff", b" a "],
    b"level": [b"", b"warn", b"CRITICAL", b"LOUD", b"INFO"],
    b"message": [b"", b"a\0b", b"\xff", b"\xed\xa0\x80", b"x" * 65_536, b"x" * 65_537],
    b"trace_id": [b"", b"order-10", b"8F33BBC1-DC2C-46AB-95D3-280F3C9A746F", b"a" * 32, b"t" * 200],
    b"data": [
        b"",
        b"{}",
        b"[1]",
        b"{",
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"godot":{"cut":1}}',
        b'{"a":"\\u0000"}',
        b'{"a":"\xff"}',
        b'{"a":%b}' % (b"9" * 20),
        b'{"a":%b}' % (b"[" * 40),
        b'{"a":1e999}',
        b'{"a":[-1.5E+308,1E309]}',
        b'{"a":"1e999 e000"}',
        b'{"a":1}{"b":2}',
        b'{"a":\n1}',
        b' {"a":1} ',
        b'{"a":',
        b"1}",
    ],
}


DECODER = Decoder("logs", back_s=WINDOW[0] // 1_000_000, ahead_s=WINDOW[1] // 1_000_000)


def entry_of(fields: dict[bytes, bytes], id: StreamID = ENTRY) -> Entry:
    raw = [part for pair in fields.items() for part in pair]
    return Entry(id, raw, sum(map(len, raw)))


def short(entry: Entry) -> LogRow | None:
    return clean_rows([entry], [2], *WINDOW)[0]


def long(entry: Entry) -> object:
    return DECODER._with_care(entry, 2)


def test_a_record_of_ours_goes_the_short_way():
    row = short(entry_of(RECORD))
    assert row is not None
    assert row == long(entry_of(RECORD))
    assert (row.component, row.level, row.message) == ("shop.api", "WARN", "paid 5 €")
    assert (row.trace_id, row.data) == (RECORD[b"trace_id"].decode(), RECORD[b"data"])
    assert (row.source.deliveries, row.source.entry) == (2, str(ENTRY))


@pytest.mark.parametrize("trace_id", [None, "8f33bbc1-dc2c-46ab-95d3-280f3c9a746f"])
@pytest.mark.parametrize("data", [None, {"order": 7}])
def test_what_a_client_makes_goes_the_short_way(trace_id, data):
    made = make_record(
        "shop", "INFO", "paid", data, trace_id, created_at="2026-11-22", producer=Producer()
    )
    entry = entry_of(dict(made.fields()))
    assert short(entry) == long(entry)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in VALUES.items() for value in values]
)
def test_a_value_that_needs_care_is_never_read_another_way(name, value):
    entry = entry_of({**RECORD, name: value})
    row = short(entry)
    assert row is None or row == long(entry)


@pytest.mark.parametrize("name", RECORD)
def test_a_field_that_is_missing_repeated_or_elsewhere_is_never_read_another_way(name):
    without = {key: value for key, value in RECORD.items() if key != name}
    whole = entry_of(RECORD)
    twice = Entry(ENTRY, [*whole.raw, name, b"x"])
    moved = entry_of({**without, name: RECORD[name]})
    strange = entry_of({**RECORD, b"v": b"1"})
    for entry in (entry_of(without), twice, moved, strange):
        row = short(entry)
        assert row is None or row == long(entry)
    assert short(twice) is None
    assert short(strange) is None


_odd = st.binary(max_size=40) | st.text(max_size=20).map(
    lambda text: text.encode("utf-8", "replace")
)
_digits = st.from_regex(re.compile(rb"\A[0-9.:TZ+_ -]{0,30}\Z"))


@given(
    st.fixed_dictionaries(
        {
            name: st.just(value) | st.sampled_from(VALUES[name]) | _odd | _digits
            for name, value in RECORD.items()
        }
    ),
    st.sets(st.sampled_from([b"trace_id", b"data", b"id"])),
)
@example(RECORD, set())
def test_both_ways_agree(fields, missing):
    entry = entry_of({name: value for name, value in fields.items() if name not in missing})
    row = short(entry)
    assert row is None or row == long(entry)


@given(
    st.lists(
        st.tuples(st.sampled_from([*RECORD, ""]), st.integers(0, 30), st.integers(0, 2)),
        max_size=60,
    )
)
def test_a_batch_is_what_its_records_are_alone(choices):
    entries = []
    for number, (name, value, missing) in enumerate(choices):
        fields = dict(RECORD)
        if name:
            fields[name] = VALUES[name][value % len(VALUES[name])]
        if missing:
            del fields[(b"trace_id", b"data")[missing - 1]]
        entries.append(entry_of(fields, StreamID(ENTRY.ms, number)))
    assert DECODER.decode_all(entries, [2] * len(entries)) == [long(entry) for entry in entries]


def test_one_that_needs_care_leaves_nearly_all_the_others_on_the_short_way():
    entries = [entry_of(RECORD, StreamID(ENTRY.ms, number)) for number in range(1_000)]
    entries[500] = entry_of({**RECORD, b"message": b"a\0b"})
    rows = clean_rows(entries, [1] * 1_000, *WINDOW)
    assert rows[500] is None
    assert rows.count(None) < 2 * FEW


@pytest.mark.parametrize(
    "column",
    [[b"{}{}", b'{"a":', b"1}"], [b"{}\n{}", b'{"a":[{}', b"{}]}"], [b"{}", b""], [b"{} ", b"{}"]],
)
def test_objects_that_do_not_keep_to_their_records_are_not_clean(column):
    assert not all_clean(column)
    assert all_clean([b"{}"] * len(column))
