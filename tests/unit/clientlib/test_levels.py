from __future__ import annotations

import gc

import pytest

from clientlib import Level
from clientlib.levels import ALL, OFF, Levels

NOW_MS = 1_795_379_708_810


@pytest.fixture
def levels() -> Levels:
    return Levels()


def test_a_pushed_level_of_the_component_wins_over_that_of_all_and_both_over_its_own(levels):
    gate, other = levels.gate("a", Level.INFO), levels.gate("b", Level.INFO)
    levels.push({ALL: "ERROR"}, NOW_MS)
    assert (gate.level, other.level) == (Level.ERROR, Level.ERROR)
    levels.push({ALL: "ERROR", "a": "TRACE"}, NOW_MS)
    assert (gate.level, other.level) == (Level.TRACE, Level.ERROR)
    levels.push({}, NOW_MS)
    assert (gate.level, other.level) == (Level.INFO, Level.INFO)


def test_an_own_level_set_meanwhile_shows_when_the_pushed_one_goes(levels):
    gate = levels.gate("a", Level.INFO)
    levels.push({"a": "ERROR"}, NOW_MS)
    gate.set(Level.DEBUG)
    assert gate.level == Level.ERROR
    levels.push({}, NOW_MS)
    assert gate.level == Level.DEBUG


def test_a_gate_made_later_knows_what_was_pushed(levels):
    levels.push({"a": "ERROR"}, NOW_MS)
    assert levels.gate("a", Level.INFO).level == Level.ERROR


def test_another_streams_levels_are_its_own(levels):
    gate = Levels().gate("a", Level.INFO)
    levels.push({"a": "ERROR"}, NOW_MS)
    assert gate.level == Level.INFO


def test_a_disabled_gate_lets_nothing_pass_whatever_is_pushed(levels):
    gate = levels.gate("a", Level.TRACE, enabled=False)
    levels.push({"a": "TRACE"}, NOW_MS)
    gate.set(Level.TRACE)
    assert gate.level == OFF


def test_what_expires_returns_by_itself_each_at_its_time(levels):
    gate = levels.gate("a", Level.INFO)
    levels.push({"a": f"TRACE {NOW_MS + 100}", ALL: f"ERROR {NOW_MS + 200}"}, NOW_MS)
    found = []
    for later_ms in (0, 99, 100, 199, 200):
        levels.lapse(NOW_MS + later_ms)
        found.append(gate.level)
    assert found == [Level.TRACE, Level.TRACE, Level.ERROR, Level.ERROR, Level.INFO]


@pytest.mark.parametrize(
    "text", ["LOUD", "", "DEBUG soon", f"DEBUG {NOW_MS}", "DEBUG nan", "DEBUG 1 2"]
)
def test_what_cannot_be_read_or_is_over_counts_as_not_set_and_spoils_nothing_else(levels, text):
    gate, other = levels.gate("a", Level.INFO), levels.gate("b", Level.INFO)
    levels.push({"a": text, "b": "warn"}, NOW_MS)
    assert (gate.level, other.level) == (Level.INFO, Level.WARN)


def test_a_gate_that_nobody_holds_is_forgotten(levels):
    for _ in range(100):
        levels.gate("a", Level.INFO)
    gc.collect()
    levels.gate("a", Level.INFO)
    assert len(levels._gates) <= 2
