from __future__ import annotations

import pytest

from clientlib import Level
from clientlib.levels import ALL, OFF, Gate, push


@pytest.fixture(autouse=True)
def nothing_pushed():
    yield
    push({})


def test_a_pushed_level_of_the_component_wins_over_that_of_all_and_both_over_its_own():
    gate, other = Gate("lv-a", Level.INFO), Gate("lv-b", Level.INFO)
    push({ALL: Level.ERROR})
    assert (gate.level, other.level) == (Level.ERROR, Level.ERROR)
    push({ALL: Level.ERROR, "lv-a": Level.TRACE})
    assert (gate.level, other.level) == (Level.TRACE, Level.ERROR)
    push({})
    assert (gate.level, other.level) == (Level.INFO, Level.INFO)


def test_an_own_level_set_meanwhile_shows_when_the_pushed_one_goes():
    gate = Gate("lv-a", Level.INFO)
    push({"lv-a": Level.ERROR})
    gate.set(Level.DEBUG)
    assert gate.level == Level.ERROR
    push({})
    assert gate.level == Level.DEBUG


def test_a_gate_made_later_knows_what_was_pushed():
    push({"lv-a": Level.ERROR})
    assert Gate("lv-a", Level.INFO).level == Level.ERROR


def test_a_disabled_gate_lets_nothing_pass_whatever_is_pushed():
    gate = Gate("lv-a", Level.TRACE, enabled=False)
    push({"lv-a": Level.TRACE})
    gate.set(Level.TRACE)
    assert gate.level == OFF
