"""The bytes of binary COPY, field by field."""

from __future__ import annotations

import struct

import msgspec
import pytest

from dewey_logs import LogRow, Source
from dewey_logs.copydata import RowRefused, copy_data, encode

ROW = LogRow(
    id=bytes(range(16)),
    created_at_us=946_684_800_000_001,
    component="api",
    level="INFO",
    message="größe",
    trace_id=None,
    data=b'{"a":1}',
    producer=1,
    sequence=1,
    source=Source("1-1", ()),
)


def fields(data):
    (count,) = struct.unpack_from(">h", data)
    position, found = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from(">i", data, position)
        position += 4
        found.append(None if length < 0 else data[position : position + length])
        position += max(length, 0)
    return found, data[position:]


def test_every_field_has_its_place_and_format():
    found, rest = fields(encode(ROW, -5))
    assert found == [
        struct.pack(">q", 1), ROW.id, struct.pack(">q", -5), b"INFO", b"api", None,
        "größe".encode(), b'\x01{"a":1}',
    ]  # fmt: skip
    assert rest == b""


def test_missing_data_is_null():
    assert fields(encode(msgspec.structs.replace(ROW, data=None, trace_id="t"), 0))[0][5:] == [
        b"t", "größe".encode(), None,
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_the_rows_stand_between_head_and_tail(count):
    whole = copy_data([ROW] * count, {ROW.id: encode(ROW, 7)})
    assert whole.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    assert whole[19:] == encode(ROW, 7) * count + b"\xff\xff"


@pytest.mark.parametrize(
    "change",
    [{"message": "\ud800"}, {"component": "\ud800"}, {"trace_id": "\ud800"}, {"level": "LOUD"},
     {"created_at_us": 2**62}, {"created_at_us": -(2**70)}],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_with_a_reason(change):
    with pytest.raises(RowRefused) as caught:
        encode(msgspec.structs.replace(ROW, **change), 0)
    assert caught.value.reason
    assert caught.value.sqlstate is None
