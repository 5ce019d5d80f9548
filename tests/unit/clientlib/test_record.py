from __future__ import annotations

import datetime

import pytest

from clientlib import (
    Level,
    LogRecord,
    Producer,
    RecordError,
    Redactor,
    make_record,
    normal_trace_id,
    parse_level,
    parse_record_id,
)
from clientlib.record import timestamp


@pytest.fixture
def producer() -> Producer:
    return Producer(42)


def test_levels_have_the_numbers_of_logging():
    assert [int(level) for level in Level] == [5, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("info", (Level.INFO, None)),
        (" Warning ", (Level.WARN, None)),
        ("critical", (Level.ERROR, "CRITICAL")),
        ("FATAL", (Level.ERROR, "FATAL")),
    ],
)
def test_a_level_is_read_in_any_case_and_its_alias_kept(text, expected):
    assert parse_level(text) == expected


@pytest.mark.parametrize("text", ["", "LOUD", "20", None, 20])
def test_an_unknown_level_is_refused_with_what_is_allowed(text):
    with pytest.raises(RecordError, match="TRACE, DEBUG, INFO, WARN, ERROR"):
        parse_level(text)


def test_fields_stand_in_wire_order_and_the_size_counts_them(producer):
    record = make_record("api", "INFO", "m", {"a": 1}, "t", producer=producer)
    fields = record.fields()
    assert [name for name, _ in fields] == [
        *(b"id", b"created_at", b"component", b"level", b"message", b"trace_id", b"data")
    ]
    assert record.size() == sum(len(name) + len(value) for name, value in fields)


def test_a_record_without_an_id_takes_the_next_number_of_its_producer(producer):
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=datetime.UTC)
    found = [
        parse_record_id(make_record("api", "INFO", "m", created_at=at, producer=producer).id)
        for _ in range(2)
    ]
    ms = int(at.timestamp() * 1000)
    assert found == [(ms, 1, 42), (ms, 2, 42)]


def test_a_refused_record_takes_no_number(producer):
    with pytest.raises(RecordError):
        make_record("api", "LOUD", "m", producer=producer)
    with pytest.raises(RecordError):
        make_record("api", "INFO", "m", created_at="then", producer=producer)
    assert producer.last == 0


def test_a_record_is_redacted_by_the_standard_rules_unless_others_are_given(producer):
    def data(redactor):
        return make_record(
            "api", "INFO", "m", {"ssn": "1", "token": "2"}, producer=producer, redactor=redactor
        ).data

    assert data(None) == b'{"ssn":"1","token":"[REDACTED]"}'
    assert data(Redactor(["ssn"])) == b'{"ssn":"[REDACTED]","token":"[REDACTED]"}'


def test_a_record_is_a_frozen_value():
    record = LogRecord("id", "at", "c", "INFO", "m")
    with pytest.raises(AttributeError):
        setattr(record, "message", "other")  # noqa: B010  # mypy knows that it cannot be


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0AF7651916CD43DD8448EB211C80319C", "0af76519-16cd-43dd-8448-eb211c80319c"),
        ("0AF76519-16CD-43DD-8448-EB211C80319C", "0af76519-16cd-43dd-8448-eb211c80319c"),
        ("req-1", "req-1"),
        ("x" * 200, "x" * 128),
    ],
)
def test_one_trace_has_one_spelling(text, expected):
    assert normal_trace_id(text) == expected


def test_times_have_microseconds_and_z():
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1_795_379_708_810_814) == "2026-11-22T20:35:08.810814Z"
    assert timestamp(-62_135_596_800_000_000) == "0001-01-01T00:00:00.000000Z"
