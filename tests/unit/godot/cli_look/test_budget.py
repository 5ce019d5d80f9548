from __future__ import annotations

import pytest

from dewey_logs import LogRecordView
from godot.cli.tail import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def records(n: int, level: str = "INFO") -> list[LogRecordView]:
    return [LogRecordView(str(i), "", "c", level, "m") for i in range(n)]


def test_what_exceeds_the_rate_is_counted_by_level_and_told_once(
    capsys: pytest.CaptureFixture[str],
):
    clock = Clock()
    budget = Budget(10.0, clock)
    assert [one.id for one in budget.admitted(records(12))] == [str(i) for i in range(10)]
    assert budget.admitted(records(3, "ERROR")) == []
    clock.now = 0.5
    assert len(budget.admitted(records(20))) == 5
    budget.tell()
    assert capsys.readouterr().err == ""
    clock.now = 1.0
    budget.tell()
    said = capsys.readouterr().err
    assert "20 records not shown, among them 3 ERROR: more than 10/s" in said
    clock.now = 3.0
    budget.tell(last=True)
    assert capsys.readouterr().err == ""


def test_nothing_is_lost_sight_of_at_the_end(capsys: pytest.CaptureFixture[str]):
    clock = Clock()
    budget = Budget(1.0, clock)
    budget.admitted(records(4))
    budget.tell(last=True)
    assert "3 records not shown: more than 1/s" in capsys.readouterr().err


def test_without_a_rate_all_are_shown():
    clock = Clock()
    assert len(Budget(0.0, clock).admitted(records(5_000))) == 5_000
