from __future__ import annotations

import json
import math
import time
from operator import methodcaller

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlib import Producer, bind, make_record, parse_record_id, trace_context
from clientlib.framing import Framer, Snapshot, Source
from clientlib.redaction import STANDARD
from clientlib.resp import MAX_MESSAGES_REMEMBERED, fields_of, sequence_of
from tests.unit.clientlib.unsent import PRODUCER, framed, idle_logger, shipped

TEXT = st.text(st.characters(), max_size=40)
HINTS = st.sampled_from(
    [
        "password",
        "tokens",
        "godot",
        "godot_",
        "Bearer abcdefgh1",
        "a\0",
        "\ud800",
        "\\u0000",
        "@://",
    ]
)
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, HINTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.one_of(TEXT, HINTS), inner, max_size=3)
    ),
    max_leaves=10,
)


def test_messages_are_remembered_up_to_a_limit_and_right_beyond_it():
    logger = idle_logger()
    said = [f"m{i % 1_500}" for i in range(3_000)]
    for message in said:
        logger.info(message)
    assert [record["message"] for record in framed(logger)] == said
    remembered = logger.bind(a=1)._source.heads[20]
    assert len(remembered) == MAX_MESSAGES_REMEMBERED


def test_a_clock_before_1970_spoils_no_id():
    snapshot: Snapshot = (20, -5_000_123_000, Source("api", STANDARD), None, None, "m", b"", None)
    (command,) = Framer("s", 100_000).frame([snapshot], PRODUCER, 7)
    found = fields_of(command)
    assert parse_record_id(found[b"id"]) == (0, 7, PRODUCER)
    assert found[b"created_at"] == b"1969-12-31T23:59:54.999877Z"


@given(st.one_of(TEXT, HINTS), DATA, st.one_of(st.none(), TEXT))
def test_a_logger_and_make_record_agree_on_every_record(message, data, trace_id):
    (found,) = shipped(lambda log: log.info(message, data, trace_id))
    record = make_record("api", "INFO", message, data, trace_id, producer=Producer(1))
    assert list(found.items())[2:] == [
        (name.decode(), value.decode()) for name, value in record.fields()[2:]
    ]


def nested(levels: int, shape: str) -> object:
    value: object = {}
    for _ in range(levels - 1):
        value = [value] if shape == "lists" else {"": value}
    return {"": value} if shape == "lists" else value


@pytest.mark.parametrize("shape", ["dicts", "lists"])
@pytest.mark.parametrize("levels", [30, 31, 32, 33, 34])
def test_what_is_nested_too_deep_is_cut_however_short_it_is(shape, levels):
    data = nested(levels, shape)
    (found,) = shipped(lambda log: log.info("m", data))
    record = make_record("api", "INFO", "m", data, producer=Producer(1))
    assert record.data is not None
    assert found["data"] == record.data.decode()


def test_no_trace_is_none_again_once_many_were_seen():
    def log(logger):
        for i in range(1_200):
            logger.info("m", None, f"t{i}")
            logger.info("m")

    found = [record.get("trace_id") for record in shipped(log)]
    assert found == [name for i in range(1_200) for name in (f"t{i}", None)]


@given(st.lists(st.tuples(st.one_of(TEXT, HINTS), DATA), min_size=2, max_size=4))
def test_a_record_does_not_depend_on_its_neighbours(records):
    logger = idle_logger()
    for message, data in records:
        logger.info(message, data)
    together = framed(logger)
    alone = [shipped(methodcaller("info", *record))[0] for record in records]
    assert [list(found.items())[2:] for found in together] == [
        list(found.items())[2:] for found in alone
    ]


@pytest.mark.parametrize(
    "sequence", [1, 2, 1023, 1024, 1025, (1 << 24) - 1, 1 << 24, (1 << 36) - 1]
)
def test_the_id_put_together_from_parts_is_the_id(sequence):
    source = Source("api", STANDARD)
    now_ns = 1_795_379_708_810_814_123
    batch: list[Snapshot] = [(20, now_ns, source, None, None, "m", b"", None)]
    (command,) = Framer("s", 1_000).frame(batch, PRODUCER, sequence)
    fields = fields_of(command)
    assert parse_record_id(fields[b"id"]) == (1_795_379_708_810, sequence, PRODUCER)
    assert sequence_of(command) == sequence
    assert fields[b"created_at"] == b"2026-11-22T20:35:08.810814Z"


def test_a_batch_over_a_millisecond_boundary_has_each_records_own_time():
    source = Source("api", STANDARD)
    times = [999_999, 1_000_000, 1_000_001_000, 59_999_999_999]
    batch: list[Snapshot] = [(20, ns, source, None, None, "m", b"", None) for ns in times]
    commands = Framer("s", 1_000).frame(batch, PRODUCER, 1)
    assert [fields_of(command)[b"created_at"][17:] for command in commands] == [
        *(b"00.000999Z", b"00.001000Z", b"01.000001Z", b"59.999999Z")
    ]


def test_the_command_is_one_xadd_with_a_limit():
    logger = idle_logger()
    logger.info("m", {"a": 1}, "t")
    (command,) = Framer("s", 5_000).frame(logger._intake.take(1), PRODUCER, 1)
    reader = hiredis.Reader()
    reader.feed(command)
    found = reader.gets()
    assert found[:6] == [b"XADD", b"s", b"MAXLEN", b"~", b"5000", b"*"]
    assert found[6::2] == [
        *(b"id", b"created_at", b"component", b"level", b"message", b"trace_id", b"data")
    ]
    assert not reader.has_data()


def test_bound_fields_come_first_and_the_records_own_win():
    def log(logger):
        child = logger.bind(tenant="acme", region="eu")
        child.info("a", {"order": 1})
        child.info("b", {"region": "us"})
        child.info("c")
        with bind(region="ap", user=5):
            child.info("d", {"order": 2})
            logger.info("e", [1])

    data = [record["data"] for record in shipped(log)]
    assert data == [
        '{"tenant":"acme","region":"eu","order":1}',
        '{"tenant":"acme","region":"us"}',
        '{"tenant":"acme","region":"eu"}',
        '{"region":"eu","user":5,"tenant":"acme","order":2}',
        '{"region":"ap","user":5,"value":[1]}',
    ]


def test_a_key_deeper_down_that_is_also_bound_is_not_taken_for_a_collision():
    (found,) = shipped(lambda log: log.bind(id=1).info("m", {"user": {"id": 2}}))
    assert found["data"] == '{"id":1,"user":{"id":2}}'


def test_bound_fields_are_redacted_cleaned_and_a_snapshot():
    tags = ["a"]

    def log(logger):
        child = logger.bind(password="p", tags=tags, x=math.nan, godot=1)
        tags.append("b")
        child.info("m", {"k": 1})
        child.info("m")

    for found in shipped(log):
        data = json.loads(found["data"])
        assert data["password"] == "[REDACTED]"
        assert data["tags"] == ["a"]
        assert data["x"] == "NaN"
        assert data["godot_"] == 1


def test_binding_nothing_is_no_field():
    def log(logger):
        with bind():
            logger.bind().info("m")
            logger.bind().info("m", {"a": 1})

    assert [found.get("data") for found in shipped(log)] == [None, '{"a":1}']


def test_the_trace_of_the_context_is_used_unless_one_is_given():
    trace = "0AF7651916CD43DD8448EB211C80319C"

    def log(logger):
        with trace_context(trace):
            logger.info("m")
            logger.info("m", None, "other")
        logger.info("m")
        logger.info("m", None, {"un": "hashable"})

    assert [found.get("trace_id") for found in shipped(log)] == [
        *("0af76519-16cd-43dd-8448-eb211c80319c", "other", None, "{'un': 'hashable'}")
    ]


def test_loggers_with_different_rules_share_a_batch():
    logger = idle_logger(redact_fields=["ssn"])
    other = idle_logger()
    logger.info("m", {"ssn": "1"})
    other.info("m", {"ssn": "1", "token": "2"})
    batch = logger._intake.take(9) + other._intake.take(9)
    commands = Framer("s", 1_000).frame(batch, PRODUCER, 1)
    assert [fields_of(command)[b"data"] for command in commands] == [
        b'{"ssn":"[REDACTED]"}',
        b'{"ssn":"1","token":"[REDACTED]"}',
    ]


def test_a_receipt_names_the_dropped_numbers_and_is_a_warning():
    framer = Framer("s", 1_000)
    notes = {"dropped": 3, "ranges": [(5, 7)], "reason": "buffer_full"}
    command = framer.receipt(Source("api", STANDARD), time.time_ns(), PRODUCER, 9, notes)
    fields = fields_of(command)
    assert fields[b"component"] == b"api"
    assert fields[b"level"] == b"WARN"
    assert fields[b"message"] == b"records dropped"
    assert json.loads(fields[b"data"])["godot"] == {**notes, "ranges": [[5, 7]]}
    found = parse_record_id(fields[b"id"])
    assert found is not None
    assert found.sequence == 9


def test_redacted_records_are_counted():
    logger = idle_logger()
    logger.info("m", {"password": "x"})
    logger.info("m", {"a": "x"})
    logger.info("Bearer abcdefgh1")
    framer = Framer("s", 1_000)
    framer.frame(logger._intake.take(9), PRODUCER, 1)
    assert framer.redacted == 2
