from __future__ import annotations

import uuid

from dewey_logs import LogRow, Source
from godot.stream.ids import ZERO, StreamID
from godot.stream.snapshot import StreamSnapshot
from godot.tail import unsettled_from, view_of
from tests.unit.godot.looks import look

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
        "source": Source("1-1", ()),
    }
    return LogRow(**(given | changed))  # type: ignore[arg-type]  # a mapping of mixed values


def test_a_row_is_shown_as_the_store_would_show_it():
    view = view_of(row())
    assert (view.id, view.created_at) == (
        "00000000-0000-0000-0000-000000000005",
        "2026-11-22T13:00:01.000001Z",
    )
    assert view.data == {"order": {"id": 8812, "tags": ["a", "b"]}, "ok": True, "n": 1}


def waiting(delivered: StreamID | None, pending_since_ms: int | None) -> StreamSnapshot:
    return look(
        exists=delivered is not None,
        last_delivered_id=delivered,
        pending=0 if pending_since_ms is None else 1,
        pending_since_ms=pending_since_ms,
    )


def test_reading_begins_before_every_entry_that_may_not_be_stored():
    assert unsettled_from(waiting(None, None)) == ZERO
    assert unsettled_from(waiting(StreamID(5_000, 3), None)) == StreamID(5_000, 3)
    assert unsettled_from(waiting(StreamID(5_000, 3), 4_000)) < StreamID(4_000, 0)
    assert unsettled_from(waiting(StreamID(5_000, 3), 5_000)) < StreamID(5_000, 0)
