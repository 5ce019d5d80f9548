"""The worker reads what the golden vectors say."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import datetime
from typing import Any

import pytest

from dewey_logs import Dropped, LogRow, Reject
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.decode import Decoder, receipt
from tests.vectors.load import cases

DAY_S = 86_400
ID = b"01a204ff-11e0-8000-8000-0055721d9a0b"
TENTH = str(uuid.UUID(int=0x01A204FF_11E0_8000_8000_000000000007 + (10 << 38))).encode()


def decoder(stream: str = "logs") -> Decoder:
    return Decoder(stream, back_s=7 * DAY_S, ahead_s=DAY_S)


def entry_of(fields: dict[bytes, bytes], entry_id: str = "1795377000000-0") -> Entry:
    return Entry(StreamID.parse(entry_id), [part for pair in fields.items() for part in pair])


def decoded(fields: dict[bytes, bytes], entry_id: str = "1795377000000-0") -> LogRow:
    row = decoder().decode(entry_of(fields, entry_id))
    assert isinstance(row, LogRow)
    return row


def plain(**more: bytes) -> dict[bytes, bytes]:
    fields = {b"component": b"c", b"level": b"INFO", b"message": b"m"}
    return {**fields, **{name.encode(): value for name, value in more.items()}}


def microseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


@pytest.mark.parametrize("case", cases("decode"), ids=lambda case: case["name"])
def test_an_entry_becomes_the_row_that_the_vectors_say(case: dict[str, Any]):
    entry = case["entry"]
    fields = {raw(name): raw(value) for name, value in entry["fields"].items()}
    found = decoder(entry["stream"]).decode(entry_of(fields, entry["id"]))
    if "reject" in case:
        assert isinstance(found, Reject)
        assert case["reject"] in found.reason
        assert found.source.raw == [part for pair in fields.items() for part in pair]
        return
    assert isinstance(found, LogRow), found
    row = case["row"]
    if row["id"] == "derived":
        assert uuid.UUID(bytes=found.id).version == 5
    else:
        assert uuid.UUID(bytes=found.id) == uuid.UUID(row["id"])
    assert found.created_at_us == microseconds(row["created_at"])
    assert (found.component, found.level, found.message) == (
        row["component"],
        row["level"],
        row["message"],
    )
    assert found.trace_id == row["trace_id"]
    assert (None if found.data is None else json.loads(found.data)) == row["data"]
    assert (found.producer, found.sequence) == (row["producer"], row["sequence"])
    assert found.moved == row["moved"]


def test_a_derived_id_is_the_same_at_every_delivery_and_another_for_other_fields():
    assert decoded(plain()).id == decoded(plain()).id
    assert decoded(plain()).id != decoded(plain(trace_id=b"t")).id
    assert decoded(plain()).id != decoded(plain(), "1795377000000-1").id
    other_stream = decoder("other").decode(entry_of(plain()))
    assert other_stream.id != decoded(plain()).id


def test_a_foreign_id_without_a_time_is_known_by_the_id_alone():
    row = decoded(plain(id=b"6fa459ea-ee8a-4ca4-894e-db77e160355e"))
    assert row.moved
    assert row.created_at_us == 1795377000000 * 1000
    assert not decoded(plain()).moved, "a derived id holds the entry's id already"
    assert not decoded(plain(id=ID), "1795379710000-0").moved, (
        "an id of ours holds the record's time"
    )


@pytest.mark.parametrize("given", [ID, b"6fa459ea-ee8a-4ca4-894e-db77e160355e"])
def test_a_record_whose_time_cannot_be_read_is_known_by_the_id_it_was_given(given: bytes):
    row = decoded(plain(id=given, created_at=b"1764180000"), "1795379710000-0")
    assert row.moved
    assert not decoded(plain(created_at=b"1764180000")).moved, "a derived id is new each time"
    assert not decoded(plain(id=given, created_at=b"2026-11-22T20:35:10Z")).moved


def test_a_receipt_names_the_dropped_numbers_of_its_producer():
    data = b'{"godot":{"dropped":3,"ranges":[[4,5],[9,9]],"reason":"buffer_full"}}'
    assert receipt(decoded(plain(id=TENTH, data=data))) == Dropped(7, ((4, 5), (9, 9)))


@pytest.mark.parametrize(
    "said",
    [
        b'{"ranges":[[1,2]]}',
        b'{"godot":{"ranges":[[1,2]]}}',
        b'{"godot":{"dropped":1,"ranges":[[1,2]]}}',
        b'{"godot":{"dropped":2,"ranges":[[9,9],[9,9],[11,11]]}}',
        b'{"godot":{"dropped":68719476736,"ranges":[[1,68719476736]]}}',
        b'{"godot":{"dropped":1,"ranges":[[1,1],[2,1]]}}',
        b'{"godot":{"dropped":1,"ranges":[[1,1],["a","b"]]}}',
        b'{"godot":{"dropped":5,"ranges":[[0,4]]}}',
        b'{"godot":{"dropped":1,"ranges":[[1,1],[1]]}}',
        b'{"godot":{"dropped":1,"ranges":[[1,1],7]}}',
        b'{"godot":{"dropped":1,"ranges":"many"}}',
    ],
)
def test_what_only_looks_like_a_receipt_is_none(said: bytes):
    assert receipt(decoded(plain(id=TENTH, data=said))) is None


def test_a_receipt_without_an_id_of_ours_says_nothing():
    assert receipt(decoded(plain(data=b'{"godot":{"dropped":1,"ranges":[[1,2]]}}'))) is None


def test_an_entry_can_be_condemned_without_being_read():
    entry = Entry(StreamID(5, 0), [b"id", ID, b"message", b"\xff" * 10])
    reject = decoder().reject(entry, "it kills workers", 8)
    assert uuid.UUID(bytes=reject.id) == uuid.UUID(ID.decode())
    assert reject.source.deliveries == 8
    assert reject.source.raw is entry.raw


def test_json_is_read_however_deeply_it_is_nested():
    """Python may not be able to write what msgspec can still read: how deep, the stack decides."""
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit):
        deep = "[" * depth + "]" * depth
        for more in (f'"message":"m","data":{deep}', f'"message":{deep}'):
            record = f'{{"component":"c","level":"INFO",{more}}}'
            entry = entry_of({b"json": record.encode()})
            row = decoder().decode(entry)
            assert isinstance(row, LogRow)
            assert row.message[:1] == "[" or b"[TOO DEEP]" in (row.data or b"")
            assert decoder().reject(entry, "it kills workers", 8).source.raw is entry.raw


def test_characters_of_a_record_in_json_are_cleaned_like_those_of_fields():
    row = decoded({b"json": rb'{"component":"c","level":"INFO","message":"a\ud800b\u0000"}'})
    assert row.message == "a\ufffdb\ufffd"
    assert row.data == b'{"godot":{"cleaned":["characters"]}}'
