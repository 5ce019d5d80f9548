from __future__ import annotations

import pytest

from dewey_logs import StoreTotals
from godot.status import Status, age, as_document, as_lines, size
from godot.stream.ids import StreamID
from godot.stream.producers import ProducerInfo
from godot.stream.rate import Rate, Reading
from godot.stream.snapshot import StreamSnapshot

STORE = StoreTotals(
    rows=1_204_331,
    rows_exact=False,
    bytes=10 * 2**30,
    oldest="2026-11-15T00:00:00.000000Z",
    newest="2026-11-22T13:00:00.000000Z",
    partitions=11,
    rejected_open=2,
)


def look(**changed: object) -> StreamSnapshot:
    given = {
        "stream": "logs",
        "group": "dewey",
        "now_ms": 100_000,
        "exists": True,
        "entries": 18_304,
        "limit": 100_000,
        "added": 20_000,
        "first_id": StreamID(1, 0),
        "last_id": StreamID(2, 0),
        "group_exists": True,
        "last_delivered_id": StreamID(2, 0),
        "undelivered": 0,
        "undelivered_since_ms": None,
        "pending": 0,
        "pending_since_ms": None,
        "consumers": 2,
        "memory_bytes": 12 * 2**20,
        "memory_limit_bytes": 512 * 2**20,
        "server_version": "valkey 9.1.2",
        "producers": (),
        "reading": Reading(0.0, 20_000, 20_000, 0),
    }
    return StreamSnapshot(**(given | changed))  # type: ignore[arg-type]  # mixed values


def status(
    stream: StreamSnapshot | None, store: StoreTotals | None = STORE, rate: Rate | None = None
) -> Status:
    return Status("logs", "dewey", stream, store, (), rate)


@pytest.mark.parametrize(
    ("changed", "state", "waiting_ms"),
    [
        ({}, "ok", None),
        ({"pending": 1, "pending_since_ms": 99_700}, "ok", 300),
        ({"undelivered": 9, "undelivered_since_ms": 40_000}, "behind", 60_000),
        (
            {"undelivered_since_ms": 90_000, "pending": 1, "pending_since_ms": 50_000},
            *("behind", 50_000),
        ),
        ({"consumers": 0}, "no worker", None),
        ({"group_exists": False, "undelivered_since_ms": 99_999}, "no worker", 1),
        ({"exists": False, "group_exists": False}, "empty", None),
        ({"undelivered_since_ms": 100_500}, "ok", 0),
    ],
)
def test_the_state_follows_from_what_waits_and_who_works(
    changed: dict[str, object], state: str, waiting_ms: int | None
):
    found = status(look(**changed))
    assert (found.state, found.waiting_ms) == (state, waiting_ms)


def test_what_is_unknown_is_a_question_mark_and_null():
    found = status(None, None)
    screen = "\n".join(as_lines(found))
    assert screen.count("?") == 3
    assert (found.buffer_s, found.loss_in_s) == (None, None)
    assert " 0 " not in screen
    assert found.state == "unknown"
    document = as_document(found)
    assert (document["stream"], document["group"], document["store"]) == (None, None, None)
    assert "? undelivered" in "\n".join(as_lines(status(look(undelivered=None))))


def test_the_screen_has_every_part_on_its_line():
    producer = ProducerInfo(7, 1_204, "shop", "box", 812, "0.1.0", "2026-11-22T12:00:00Z", 3)
    lines = list(as_lines(status(look(producers=(producer,)))))
    assert lines[0] == "godot · ok"
    assert "18,304 of 100,000 entries (18%)" in lines[1]
    assert lines[2] == "          ?"
    assert "nothing waits" in lines[3]
    assert "about 1,204,331 records · 10.0 GiB" in lines[4]
    assert "2 dead letters open" in lines[4]
    assert lines[6] == "          shop · box:812 · 1,204 sent · 3 dropped"


def test_how_long_the_stream_holds_is_told_and_loss_only_when_the_group_is_behind():
    waiting = {"undelivered": 20_000, "undelivered_since_ms": 40_000, "entries": 20_000}
    busy = status(look(), rate=Rate(1_000.0, 200.0))
    assert (busy.buffer_s, busy.loss_in_s) == (100.0, None)
    assert list(as_lines(busy))[2].strip() == "1,000 records/s · holds 1 m 40 s without a worker"
    behind = status(look(**waiting), rate=Rate(1_000.0, 200.0))
    assert (behind.buffer_s, behind.loss_in_s) == (80.0, 400.0)
    assert "LOSES UNREAD RECORDS IN 6 m 40 s" in list(as_lines(behind))[2]
    assert as_document(behind)["stream"]["loss_in_s"] == 400.0  # type: ignore[index]  # a dict
    recovering = status(look(**waiting), rate=Rate(1_000.0, -5.0))
    assert recovering.loss_in_s is None
    abandoned = status(look(**(waiting | {"consumers": 0})), rate=Rate(1_000.0, None))
    assert abandoned.loss_in_s == 80.0
    overrun = status(look(**(waiting | {"undelivered": None, "entries": 100_200})), rate=Rate(5, 5))
    assert overrun.loss_in_s == 0.0


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0.0 s"), (-5, "0.0 s"), (59_900, "59.9 s"), (61_000, "1 m 1 s"), (90_061_000, "1 d 1 h")],
)
def test_ages_have_two_units(ms: int, text: str):
    assert age(ms) == text


def test_sizes_are_binary():
    assert [size(n) for n in (0, 1_023, 1_536, 2**40)] == ["0 B", "1023 B", "1.5 KiB", "1.0 TiB"]
