from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from dewey_logs import Batch, Reject, Window, WriteResult
from dewey_logs.tools import store as store_tool
from dewey_logs.tools.store import EPOCH, Refused, row_of, store

NOW = datetime(2026, 11, 22, 13, 0, 0, tzinfo=UTC)
WINDOW = Window(back_seconds=7 * 86_400, ahead_seconds=86_400)
GOOD: dict[str, Any] = {"component": "api", "level": "INFO", "message": "m"}


def row(**changed: Any):
    return row_of({**GOOD, **changed}, NOW, WINDOW)


def at(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def test_a_plain_record_is_stored_as_given():
    found = row(data={"k": [1, "x"]}, trace_id="t")
    assert (found.component, found.level, found.message, found.trace_id) == (
        *("api", "INFO", "m", "t"),
    )
    assert json.loads(found.data or b"") == {"k": [1, "x"]}
    assert at(found.created_at_us) == NOW
    assert uuid.UUID(bytes=found.id).version == 4
    assert (found.producer, found.sequence, found.moved) == (None, None, False)


@pytest.mark.parametrize(
    ("given", "level", "note"),
    [
        ("warning", "WARN", None),
        ("debug ", "DEBUG", None),
        ("Critical", "ERROR", "CRITICAL"),
        ("FATAL", "ERROR", "FATAL"),
    ],
)
def test_other_names_of_levels_are_understood(given: str, level: str, note: str | None):
    found = row(level=given)
    assert found.level == level
    notes = json.loads(found.data)["godot"] if found.data else {}
    assert notes.get("level") == note


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"component": None}, "component is missing"),
        ({"component": "  "}, "component is missing"),
        ({"component": 7}, "component is not a string"),
        ({"component": "x" * 129}, "component has 129 characters: allowed are 128"),
        ({"message": None}, "message is missing"),
        ({"message": {"a": 1}}, "message is not a string"),
        ({"level": None}, "level is missing"),
        ({"level": "loud"}, "unknown level 'loud'"),
        ({"level": 30}, "unknown level '30'"),
        ({"trace_id": "x" * 129}, "trace_id has 129 characters"),
        ({"data": [1]}, "data is not an object"),
        ({"data": {"x": "y" * 300_000}}, "data has 300008 bytes"),
        ({"created_at": "yesterday"}, "created_at is not RFC 3339"),
        ({"created_at": "2026-11-22T13:00:00"}, "created_at is not RFC 3339"),
        ({"created_at": 5}, "created_at is not RFC 3339"),
        ({"id": "7"}, "id is not a UUID"),
        ({"id": 7}, "id is not a UUID"),
        ({"msg": "m"}, "unknown key 'msg'; valid: component"),
    ],
)
def test_a_record_that_its_sender_can_mend_is_refused_with_the_reason(
    changed: dict[str, Any], reason: str
):
    with pytest.raises(Refused, match=reason.replace("(", r"\(")):
        row(**changed)


@pytest.mark.parametrize("given", [None, 5, "text", [], [GOOD]])
def test_what_is_no_object_is_refused(given: Any):
    with pytest.raises(Refused, match="not an object"):
        row_of(given, NOW, WINDOW)


def test_data_nested_too_deep_is_refused():
    deep: Any = 1
    for _ in range(1_000):
        deep = {"a": deep}
    with pytest.raises(Refused, match="nested deeper than 32"):
        row(data=deep)


def test_what_text_cannot_hold_is_replaced_and_named():
    found = row(message="a\0b\ud800c", component="c\0", data={"k\0": "v\0", "n": float("nan")})
    assert (found.message, found.component) == ("a\ufffdb\ufffdc", "c\ufffd")
    assert json.loads(found.data or b"") == {
        "k\ufffd": "v\ufffd",
        "n": "nan",
        "godot": {"cleaned": ["characters", "numbers"]},
    }
    bare = row(trace_id="t\0")
    assert json.loads(bare.data or b"") == {"godot": {"cleaned": ["characters"]}}


def test_numbers_beyond_64_bits_become_text_and_are_named():
    assert json.loads(row(data={"n": 2**70, "m": 2**63}).data or b"") == {
        "n": str(2**70),
        "m": 2**63,
        "godot": {"cleaned": ["numbers"]},
    }


def test_a_long_message_is_cut_with_its_size_named():
    found = row(message="ü" * 40_000)
    assert len(found.message.encode()) <= 65_536
    assert json.loads(found.data or b"") == {"godot": {"truncated": {"message": 80_000}}}


def test_the_reserved_key_is_renamed():
    assert json.loads(row(data={"godot": 1}).data or b"") == {"godot_": 1}


def test_trace_ids_have_one_spelling():
    plain = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert row(trace_id=plain.upper()).trace_id == str(uuid.UUID(plain))


def test_a_time_out_of_the_window_is_kept_beside_the_time_of_arrival():
    found = row(created_at="2020-01-01T00:00:00Z")
    assert (at(found.created_at_us), found.moved) == (NOW, True)
    assert json.loads(found.data or b"") == {"godot": {"created_at": "2020-01-01T00:00:00Z"}}
    inside = row(created_at="2026-11-22T13:30:00+01:00")
    assert (at(inside.created_at_us), inside.moved) == (NOW - timedelta(minutes=30), False)


def test_an_id_with_a_time_in_it_dates_a_record_that_does_not_say():
    ms = int((NOW - timedelta(hours=1)).timestamp() * 1000)
    given = uuid.UUID(int=(ms << 80) | (7 << 76) | (2 << 62) | 5)
    found = row(id=str(given))
    assert found.id == given.bytes
    assert at(found.created_at_us) == NOW - timedelta(hours=1)


def stored(
    logs: list[Any], result: WriteResult | None = None
) -> tuple[dict[str, Any], list[Batch]]:
    batches = []

    async def write(batch: Batch) -> WriteResult:
        batches.append(batch)
        return result or WriteResult(stored=len(batch.rows))

    return anyio.run(store, logs, write, WINDOW), batches


def test_refused_records_are_named_by_index_and_their_neighbours_stored():
    said, batches = stored([GOOD, {}, GOOD, 5])
    assert said["stored"] == 2
    assert [item["index"] for item in said["rejected"]] == [1, 3]
    assert len(batches) == 1


def test_what_the_database_refuses_is_named_by_index_too():
    given = {**GOOD, "id": "01a204ee-a501-8000-8000-0045cab67969"}
    reject = Reject(uuid.UUID(given["id"]).bytes, "too\nbig", row().source)
    said, batches = stored([GOOD, given], WriteResult(stored=1, rejects=(reject,)))
    assert said["rejected"] == [{"index": 1, "reason": "too big"}]
    assert batches[0].maybe_known


def test_nothing_to_store_asks_nobody():
    said, batches = stored([])
    assert said == {"stored": 0, "duplicates": 0, "expired": 0, "rejected": []}
    assert not batches


def test_records_are_read_beside_the_event_loop(monkeypatch):
    threads = []

    def seen(*given: Any):
        threads.append(threading.current_thread())
        return row_of(*given)

    monkeypatch.setattr(store_tool, "row_of", seen)
    stored([GOOD, GOOD])
    assert len(threads) == 2
    assert threading.current_thread() not in threads
