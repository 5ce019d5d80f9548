from __future__ import annotations

import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlib import Producer, RecordId, parse_record_id, record_id
from clientlib.identity import MAX_MS, MAX_PRODUCER, MAX_SEQUENCE


@given(st.integers(0, MAX_MS), st.integers(1, MAX_SEQUENCE), st.integers(0, MAX_PRODUCER))
def test_an_id_says_what_it_was_made_of(ms: int, sequence: int, producer: int):
    text = record_id(ms, sequence, producer)
    assert parse_record_id(text) == RecordId(ms, sequence, producer)
    assert parse_record_id(text.upper().encode()) == RecordId(ms, sequence, producer)


@given(st.integers(0, MAX_MS), st.integers(1, MAX_SEQUENCE), st.integers(0, MAX_PRODUCER))
def test_an_id_is_a_uuid_of_version_8(ms: int, sequence: int, producer: int):
    found = uuid.UUID(record_id(ms, sequence, producer))
    assert found.version == 8
    assert found.variant == uuid.RFC_4122


def test_ids_of_one_producer_sort_by_time_then_sequence():
    ids = [record_id(ms, n, 7) for ms in (1, 2, 70_000) for n in (1, 2, 3_000, 1 << 30)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        b"\xff\xfe",
        "f8a6e69e-87cd-48aa-918e-cf2d89aa9fde",
        "38519598-e993-11f1-9f6d-02fc00000001",
        "01a204f8-438a-8000-0000-007f9ddcf638",  # another variant
        "01a204f8-438a-8000-8000-003f9ddcf638",  # sequence 0: no record of ours
        "01a204f8438a80008000007f9ddcf638",
    ],
)
def test_anything_else_is_not_ours(text: str | bytes):
    assert parse_record_id(text) is None


def test_numbers_start_at_one_and_rise():
    producer = Producer()
    assert [producer.take(), producer.take(3), producer.take()] == [1, 2, 5]
    assert producer.last == 5


def test_a_producer_is_named_by_ten_hex_digits():
    assert Producer(0x2A).hex == "000000002a"
    assert len(Producer().hex) == 10
    assert Producer().number != Producer().number


def test_threads_never_get_the_same_number():
    producer = Producer()
    found: list[int] = []

    def take():
        found.extend([producer.take() for _ in range(2_000)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 8_001))


def test_a_producer_that_has_used_up_its_numbers_becomes_a_new_one():
    producer = Producer()
    before = producer.number
    producer.take(MAX_SEQUENCE - 1)
    assert producer.claim(2) == (producer.number, 1)
    assert producer.number != before
