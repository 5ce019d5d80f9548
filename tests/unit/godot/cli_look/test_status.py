from __future__ import annotations

import re

import click
import msgspec
import pytest

from godot.cli.status import status_lines
from godot.snapshot import Snapshot
from godot.status import as_document
from godot.stream.rate import Rate
from godot.wording import age, size
from tests.unit.godot.looks import STORE, group, look, status


def screen(found: Snapshot) -> list[str]:
    return [click.unstyle(line) for line in status_lines(found)]


def test_what_is_unknown_is_a_question_mark_and_null():
    found = status(None, None)
    lines = screen(found)
    assert [line for line in lines if line.endswith("?")] == [
        "FLOW       ?",
        "STREAM     logs · ?",
        "GROUP      dewey · ?",
        "STORE      ?",
    ]
    assert (found.buffer_s, found.loss_in_s) == (None, None)
    assert " 0 " not in "\n".join(lines)
    assert found.state == "unknown"
    document = as_document(found)
    assert (document["stream"], document["group"], document["store"]) == (None, None, None)
    assert "? undelivered" in "\n".join(screen(status(look(undelivered=None))))


def test_the_screen_has_every_part_on_its_line():
    first, dead, _, *lines = screen(status(look(), rate=Rate(1_000.0, 200.0)))
    assert first.startswith("godot · 1 warning  ")
    assert dead == "! GD-3301 2 dead letters open"
    assert lines[:7] == [
        "FLOW       in 1,000/s · stored ? · nothing waits",
        "STREAM     logs · 18,304 of 100,000 entries (18%) · 9.0 MiB",
        "           valkey 9.1.2 · holds 1 m 40 s without a worker",
        "GROUP      dewey · ok · 1 of 1 workers heard of",
        "           0 undelivered · 0 pending",
        "STORE      about 1,204,331 records · 10.0 GiB · 11 partitions",
        lines[6],
    ]
    assert re.fullmatch(r" {11}newest record .* old, oldest .* · 2 dead letters open", lines[6])
    assert lines[7:] == [
        "PRODUCERS  1 · 1,204 sent · 3 dropped",
        "           shop · box:812 · 1,204 sent · 3 dropped",
    ]


def test_a_stream_that_nobody_wrote_to_yet_is_no_unknown_one():
    none = msgspec.structs.replace(look(exists=False), exists=False, entries=0, bytes=None)
    lines = screen(status(none))
    assert "STREAM     logs · nothing was sent yet" in lines
    assert not any("?" in line for line in lines if line.startswith("STREAM"))


def test_groups_of_others_take_one_line_by_their_states_and_change_no_verdict():
    left = [group(name=f"g{n}", state="no-consumer", undelivered=None) for n in range(9)]
    stream = msgspec.structs.replace(look(), others=(*left, group(name="odd", state="unknown")))
    sound = msgspec.structs.replace(STORE, rejected_open=0)
    lines = screen(status(stream, sound))
    assert lines[0].startswith("godot · all healthy  ")
    told = "           10 other groups: 9 no-consumer, 1 unknown · godot groups"
    assert lines[lines.index(told) - 1] == "           0 undelivered · 0 pending"
    document = as_document(status(stream))
    assert document["other_groups"] == {"no-consumer": 9, "unknown": 1}
    assert as_document(status(look()))["other_groups"] == {}
    assert as_document(status(None))["other_groups"] is None


def test_of_many_producers_those_that_dropped_and_the_busiest_are_shown():
    (one,) = look().producers
    many = [
        msgspec.structs.replace(one, component=f"p{n}", sent_sequence=n, dropped=9 if n == 3 else 0)
        for n in range(1, 9)
    ]
    lines = screen(status(msgspec.structs.replace(look(), producers=tuple(many))))
    assert [line.split()[0] for line in lines[-7:]] == [
        *("PRODUCERS", "p3", "p8", "p7", "p6", "p5", "and")
    ]
    assert lines[-1].endswith("and 3 more: godot producers")


def test_what_came_this_millisecond_waits_and_nothing_pending_has_no_oldest():
    came = "\n".join(screen(status(look(undelivered=6, undelivered_since_ms=100_000))))
    assert "oldest waiting 0.0 s" in came
    assert "6 undelivered · 0 pending\n" in came
    settled = "\n".join(screen(status(look(pending=0, pending_since_ms=99_900))))
    assert "0 undelivered · 0 pending\n" in settled


def test_what_is_wrong_comes_first_with_a_code_and_what_to_do():
    stalled: dict[str, object] = {"undelivered": 9, "waiting_ms": 372_000, "state": "stalled"}
    first, worst, step, other, *_ = screen(status(look(**stalled)))
    assert first.startswith("godot · 1 critical, 1 warning  ")
    assert worst.startswith("✗ GD-3101 group dewey is stalled: work waits for 6 m 12 s")
    assert step == "  next: godot doctor · godot explain GD-3101"
    assert other.startswith("! GD-3301")
    document = as_document(status(look(**stalled)))
    codes = [one["code"] for one in document["findings"]]  # type: ignore[attr-defined]  # dicts
    assert codes == ["GD-3101", "GD-3301"]


def test_a_terminal_of_one_column_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("godot.cli.status.screen_width", lambda: 1)
    assert "GD-3301" in "".join(screen(status(look())))


def test_nothing_wrong_is_said_in_two_words_and_no_line_is_wider_than_a_terminal():
    sound = msgspec.structs.replace(STORE, rejected_open=0)
    lines = screen(status(look(), sound))
    assert lines[0].startswith("godot · all healthy  ")
    assert len(lines[0]) == 80
    assert max(map(len, lines)) <= 80


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
    behind = status(look(**waiting), rate=Rate(1_000.0, 200.0))
    assert (behind.buffer_s, behind.loss_in_s) == (80.0, 400.0)
    assert "loses unread records in 6 m 40 s" in "\n".join(screen(behind))
    assert as_document(behind)["stream"]["loss_in_s"] == 400.0  # type: ignore[index]  # a dict
    recovering = status(look(**waiting), rate=Rate(1_000.0, -5.0))
    assert recovering.loss_in_s is None
    nobody: dict[str, object] = {"consumers": (), "state": "no-consumer"}
    abandoned = status(look(**(waiting | nobody)), rate=Rate(1_000.0, None))
    assert abandoned.loss_in_s == 80.0
    unknown = {"undelivered": None, "read": None, "entries": 100_200}
    overrun = status(look(**(waiting | unknown)), rate=Rate(5, 5))
    assert overrun.loss_in_s == 0.0


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0.0 s"), (-5, "0.0 s"), (59_900, "59.9 s"), (61_000, "1 m 1 s"), (90_061_000, "1 d 1 h")],
)
def test_ages_have_two_units(ms: int, text: str):
    assert age(ms) == text


def test_sizes_are_binary():
    assert [size(n) for n in (0, 1_023, 1_536, 2**40)] == ["0 B", "1023 B", "1.5 KiB", "1.0 TiB"]
