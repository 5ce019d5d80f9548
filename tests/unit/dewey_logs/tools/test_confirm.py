from __future__ import annotations

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from dewey_logs.tools.confirm import GOOD_FOR_S, MOST, Confirmations


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_word_is_good_for_its_caller_and_for_a_while():
    clock = Clock()
    waiting: Confirmations[str] = Confirmations(clock)
    word = waiting.keep("plan", "ann")
    clock.now = GOOD_FOR_S
    assert waiting.plan_of(word, "ann") == "plan"
    with pytest.raises(ToolError, match="unknown"):
        waiting.plan_of(word, "bob")
    clock.now += 1
    with pytest.raises(ToolError, match="older than 10 minutes"):
        waiting.plan_of(word, "ann")


def test_a_word_is_good_once():
    waiting: Confirmations[str] = Confirmations()
    word = waiting.keep("plan", "ann")
    waiting.used(word)
    with pytest.raises(ToolError, match="used"):
        waiting.plan_of(word, "ann")


def test_of_too_many_plans_the_oldest_gives_way():
    waiting: Confirmations[int] = Confirmations()
    words = [waiting.keep(n, "ann") for n in range(MOST + 1)]
    assert waiting.plan_of(words[1], "ann") == 1
    with pytest.raises(ToolError):
        waiting.plan_of(words[0], "ann")
