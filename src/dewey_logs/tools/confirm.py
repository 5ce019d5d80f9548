"""Confirming what cannot be undone: a plan first, and a word that only the plan's answer says.

The word stands for the plan as it was told, with its times made absolute, so nothing that was typed
the second time can reach further. It is good once, for a while, and for the same caller; it is lost
when the server ends, and then a new plan has to be asked for.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from mcp.server.mcpserver.exceptions import ToolError

GOOD_FOR_S = 600
MOST = 100

Plan = TypeVar("Plan")


class _Kept(NamedTuple, Generic[Plan]):
    plan: Plan
    caller: str
    until: float


class Confirmations(Generic[Plan]):
    """Plans that wait for their word; the oldest gives way when there are too many."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, _Kept[Plan]] = OrderedDict()

    def keep(self, plan: Plan, caller: str) -> str:
        """Keep a plan and return its word."""
        word = secrets.token_urlsafe(9)
        self._kept[word] = _Kept(plan, caller, self._monotonic() + GOOD_FOR_S)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return word

    def plan_of(self, word: str, caller: str) -> Plan:
        """Return a word's plan; raises ToolError for one that is not good, or not the caller's."""
        kept = self._kept.get(word)
        if kept is None or kept.caller != caller or kept.until < self._monotonic():
            raise ToolError(
                "confirm is unknown, used or older than 10 minutes: call without it for a new plan"
            )
        return kept.plan

    def used(self, word: str) -> None:
        """Forget a word."""
        self._kept.pop(word, None)
