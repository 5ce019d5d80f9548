"""How a group does, told from what it does: Burrow's way, with the time that entries carry.

No number of waiting entries is good or bad by itself: thousands are nothing to a group that works
them off, one is a lot that nobody ever finishes. So a group is judged by what changes between looks
at it: whether anything was finished, and whether the oldest that waits grows older. A glance is too
short for that while something waits; then the answer is `unknown`, and whoever asks looks longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec

from godot.stream.ids import StreamID

State: TypeAlias = Literal["ok", "behind", "stalled", "no-consumer", "unknown"]
LONG_MS = 5_000  # what waits no longer than this is on its way
ENOUGH_S = 2.0  # of looking, to say that nothing is finished: a batch may take a second
WINDOW_S = 10.0  # of the past that is looked at, where there is as much


class Mark(msgspec.Struct, frozen=True):
    """A group at one moment of our monotonic clock, in the numbers that behaviour shows in.

    `waiting_ms` is the age of the oldest entry that is not settled, 0 when none waits. `served`
    says that a consumer was heard of lately. `read` counts first deliveries (None: Redis lost
    count), `pending` what is delivered and not acknowledged.
    """

    at_s: float
    waiting_ms: int
    served: bool
    read: int | None
    pending: int
    delivered: StreamID | None


def extended(trail: Sequence[Mark], now: Mark) -> tuple[Mark, ...]:
    """Return the marks that still count, `now` behind them: those of the window, at least one."""
    recent = [mark for mark in trail if now.at_s - mark.at_s <= WINDOW_S] or trail[-1:]
    return (*recent, now)


def judge(trail: Sequence[Mark]) -> State:
    """Say how a group does, by one mark or more, the last of which is now.

    - `no-consumer`: nobody was heard of who would read;
    - `ok`: nothing waits for long, or what does is being worked off;
    - `behind`: entries are finished, but the oldest that waits is no younger than it was;
    - `stalled`: something waits, and nothing was finished over the whole window;
    - `unknown`: something waits, and the looks lie too close together.
    """
    first, now = trail[0], trail[-1]
    if not now.served:
        return "no-consumer"
    if now.waiting_ms <= LONG_MS:
        return "ok"
    if any(_finished(a, b) for a, b in pairwise(trail)):
        return "ok" if now.waiting_ms < first.waiting_ms else "behind"
    return "stalled" if now.at_s - first.at_s >= ENOUGH_S else "unknown"


def _finished(before: Mark, after: Mark) -> bool:
    """Say whether anything was settled in between, or, where Redis lost count, moved at all."""
    if before.read is not None and after.read is not None and after.read >= before.read:
        return after.read - before.read > after.pending - before.pending
    return after.delivered != before.delivered or after.pending < before.pending
