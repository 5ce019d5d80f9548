from __future__ import annotations

import sys
import threading

import pytest

from clientlib import importing, turns
from clientlib.turns import SharedImport, Turn


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, on a clock that only sleeping moves."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_turn_is_shared_when_it_was_long_enough(pauses, clock):
    turn = Turn()
    turn.share()
    assert pauses == []
    clock[0] += turns.TURN_S
    turn.share()
    turn.share()
    assert pauses == [turns.PAUSE_S]


def test_a_turn_is_not_shared_while_the_program_waits(pauses, clock):
    awaited = True
    turn = Turn(lambda: awaited)
    clock[0] += turns.TURN_S
    turn.share()
    assert pauses == []
    awaited = False
    turn.share()
    assert pauses == [turns.PAUSE_S]


def test_an_import_is_shared_by_the_thread_that_makes_it_alone(pauses, clock):
    with SharedImport(Turn()) as shared:
        assert sys.meta_path[0] is shared
        clock[0] += turns.TURN_S
        other = threading.Thread(target=shared.find_spec, args=("json",))
        other.start()
        other.join()
        assert pauses == []
        shared.find_spec("json")
        assert pauses == [turns.PAUSE_S]
    assert shared not in sys.meta_path


@pytest.mark.parametrize("found", [None, []])
def test_an_import_that_ends_after_somebody_took_the_finders_away_ends(found, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    with SharedImport(Turn()):
        sys.meta_path = found


def test_redis_is_imported_in_turns(monkeypatch):
    seen = []
    monkeypatch.setattr(importing, "import_module", lambda name: seen.append(sys.meta_path[0]))
    importing.redis(Turn())
    assert {type(finder) for finder in seen} == {SharedImport}
    assert sys.meta_path[0] not in seen
