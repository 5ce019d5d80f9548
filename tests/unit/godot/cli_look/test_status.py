from __future__ import annotations

import pytest

from godot.status import as_document, as_lines
from godot.stream.rate import Rate
from godot.wording import age, size
from tests.unit.godot.looks import look, status


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
    lines = list(as_lines(status(look())))
    assert lines[0] == "godot · ok"
    assert "18,304 of 100,000 entries (18%)" in lines[1]
    assert lines[2] == "          ?"
    assert "nothing waits" in lines[3]
    assert "about 1,204,331 records · 10.0 GiB" in lines[4]
    assert "2 dead letters open" in lines[4]
    assert lines[6] == "          shop · box:812 · 1,204 sent · 3 dropped"


def test_how_long_the_stream_holds_is_told_and_loss_only_when_the_group_is_behind():
    waiting: dict[str, object] = {
        "undelivered": 20_000,
        "undelivered_since_ms": 40_000,
        "entries": 20_000,
        "waiting_ms": 60_000,
        "state": "behind",
    }
    busy = status(look(), rate=Rate(1_000.0, 200.0))
    assert (busy.buffer_s, busy.loss_in_s) == (100.0, None)
    assert list(as_lines(busy))[2].strip() == "1,000 records/s · holds 1 m 40 s without a worker"
    behind = status(look(**waiting), rate=Rate(1_000.0, 200.0))
    assert (behind.buffer_s, behind.loss_in_s) == (80.0, 400.0)
    assert "LOSES UNREAD RECORDS IN 6 m 40 s" in list(as_lines(behind))[2]
    assert as_document(behind)["stream"]["loss_in_s"] == 400.0  # type: ignore[index]  # a dict
    recovering = status(look(**waiting), rate=Rate(1_000.0, -5.0))
    assert recovering.loss_in_s is None
    nobody = {"consumers": (), "state": "no-consumer"}
    abandoned = status(look(**(waiting | nobody)), rate=Rate(1_000.0, None))
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
