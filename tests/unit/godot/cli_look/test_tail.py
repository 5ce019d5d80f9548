from __future__ import annotations

import uuid

import pytest

from clientlib import RecordError
from dewey_logs import LogFilter, LogRow, Source
from godot.stream.ids import ZERO, StreamID
from godot.stream.rate import Reading
from godot.stream.snapshot import StreamSnapshot
from godot.tail import contains, matcher, unsettled_from, view_of

TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


def row(**changed: object) -> LogRow:
    given = {
        "id": uuid.UUID(int=5).bytes,
        "created_at_us": 1_795_352_401_000_001,
        "component": "api.pay",
        "level": "WARN",
        "message": "Card declined",
        "trace_id": TRACE,
        "data": b'{"order":{"id":8812,"tags":["a","b"]},"ok":true,"n":1}',
        "producer": None,
        "sequence": None,
        "source": Source("1-1", {}),
    }
    return LogRow(**(given | changed))  # type: ignore[arg-type]  # a mapping of mixed values


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(level="debug"),
        LogFilter(level="WARNING"),
        LogFilter(component=("api.pay",)),
        LogFilter(component=("web", "api.*")),
        LogFilter(component=("*pay",)),
        LogFilter(trace_id=TRACE),
        LogFilter(trace_id="4bf92f35"),
        LogFilter(trace_id="4BF92F3577B34DA6A3CE929D0E0E4736"),
        LogFilter(trace_id="4bf92f3577b3"),
        LogFilter(contains="card DECL"),
        LogFilter(data={"order": {"id": 8812}}),
        LogFilter(data={"order": {"tags": ["b"]}, "ok": True}),
    ],
)
def test_a_row_that_the_store_would_find_is_shown(wanted: LogFilter):
    assert matcher(wanted)(row())


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(level="ERROR"),
        LogFilter(component=("api",)),
        LogFilter(component=("apixpay", "API.*", "api.?ay")),
        LogFilter(trace_id="4bf92f3"),
        LogFilter(trace_id="00000000"),
        LogFilter(contains="card  declined"),
        LogFilter(data={"order": 8812}),
        LogFilter(data={"order": {"tags": ["c"]}}),
        LogFilter(data={"n": True}),
        LogFilter(data={"absent": None}),
    ],
)
def test_a_row_that_the_store_would_not_find_is_not_shown(wanted: LogFilter):
    assert not matcher(wanted)(row())


def test_rows_without_trace_or_data_are_compared_too():
    bare = row(trace_id=None, data=None)
    assert matcher(LogFilter())(bare)
    assert not matcher(LogFilter(trace_id="4bf92f35"))(bare)
    assert not matcher(LogFilter(data={"n": 1}))(bare)


def test_an_unknown_level_is_refused_before_anything_is_read():
    with pytest.raises(RecordError):
        matcher(LogFilter(level="loud"))


@pytest.mark.parametrize(
    ("whole", "part", "held"),
    [
        ([1, [2, 3]], [[3]], True),
        ({"a": 1, "b": 2}, {"b": 2}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": "1"}, {"a": 1}, False),
        ("x", {"a": 1}, False),
        ({"a": {}}, {"a": {}}, True),
    ],
)
def test_containment_is_that_of_jsonb(whole: object, part: object, held: bool):
    assert contains(whole, part) is held


def test_a_row_is_shown_as_the_store_would_show_it():
    view = view_of(row())
    assert (view.id, view.created_at) == (
        "00000000-0000-0000-0000-000000000005",
        "2026-11-22T13:00:01.000001Z",
    )
    assert view.data == {"order": {"id": 8812, "tags": ["a", "b"]}, "ok": True, "n": 1}


def look(delivered: StreamID | None, pending_since_ms: int | None) -> StreamSnapshot:
    return StreamSnapshot(
        stream="logs",
        group="dewey",
        now_ms=10_000,
        exists=True,
        entries=10,
        limit=100,
        added=10,
        first_id=StreamID(1, 0),
        last_id=StreamID(9_000, 0),
        group_exists=delivered is not None,
        last_delivered_id=delivered,
        undelivered=1,
        undelivered_since_ms=None,
        pending=0 if pending_since_ms is None else 1,
        pending_since_ms=pending_since_ms,
        consumers=1,
        memory_bytes=1,
        memory_limit_bytes=0,
        server_version="valkey 9",
        producers=(),
        reading=Reading(0.0, 10, 9, 1),
    )


def test_reading_begins_before_every_entry_that_may_not_be_stored():
    assert unsettled_from(look(None, None)) == ZERO
    assert unsettled_from(look(StreamID(5_000, 3), None)) == StreamID(5_000, 3)
    assert unsettled_from(look(StreamID(5_000, 3), 4_000)) < StreamID(4_000, 0)
    assert unsettled_from(look(StreamID(5_000, 3), 5_000)) < StreamID(5_000, 0)
