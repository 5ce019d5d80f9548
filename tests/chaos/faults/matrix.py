"""What a fault is: a generator that does one thing, yields the seconds to wait, and mends it.

A fault says which parts of the system it needs for itself; those that need different ones run at
the same time. Whatever it took away, it gives back before it ends.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

from tests.chaos.producers import Specials
from tests.chaos.world import World

Steps: TypeAlias = Generator[float, None, None]

WORKERS, REDIS, POSTGRES, FRONT, RECORDS = "workers", "redis", "postgres", "front", "records"
LINK = "link"

# What reliability asks for and this harness does not do, and why.
NOT_INJECTED = {
    "power loss": "no device here forgets what it was told to keep; the servers sync each commit",
    "Redis killed under everysec": "a slow disk then loses what was accepted: redis-rollback",
    "Redis started with nothing": "the same to everybody else as redis-flushall",
    "Redis fails over to a stale replica": "the same to everybody else as redis-rollback",
    "wall clock a day ahead or back": "needs libfaketime under Redis; its effect on ids is"
    " redis-future-id",
    "worker killed for its memory": "SIGKILL, whoever sends it: worker-kill",
    "two consumers of one name": "a name is made anew, at random, at each start",
    "iptables, tc": "the proxies refuse, reset, stall and delay without asking the kernel",
}


class Scene(NamedTuple):
    """What a fault works with."""

    world: World
    rng: random.Random
    specials: Specials


class Fault(NamedTuple):
    """One row of the matrix.

    `loses` says that Redis forgets records that it had accepted. `alone`: only when asked for by
    name, because Redis then counts wrongly and the audit's second evidence, the count of entries,
    cannot balance; the numbers still must.
    """

    name: str
    what: str
    needs: frozenset[str]
    steps: Callable[[Scene], Steps]
    loses: bool
    alone: bool


class Skipped(Exception):
    """The fault cannot be injected just now, somebody is busy; it is not counted."""


class Impossible(Exception):
    """The fault cannot be injected on this machine; says why."""


class Failed(Exception):
    """Something did not happen that had to: a server that stays away, a fault that does not bite.

    It is a finding, as is every other exception of a fault.
    """


MATRIX: dict[str, Fault] = {}


def fault(
    name: str, what: str, *needs: str, loses: bool = False, alone: bool = False
) -> Callable[[Callable[[Scene], Steps]], Callable[[Scene], Steps]]:
    """Enter a generator into the matrix."""

    def enter(steps: Callable[[Scene], Steps]) -> Callable[[Scene], Steps]:
        assert name not in MATRIX
        MATRIX[name] = Fault(name, what, frozenset(needs), steps, loses, alone)
        return steps

    return enter


def until(condition: Callable[[], object], seconds: float, what: str) -> Steps:
    """Wait inside a fault for something to become true."""
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        yield 0.05
    raise Failed(f"not within {seconds} s: {what}")
