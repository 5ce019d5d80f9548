from __future__ import annotations

import pytest

from godot.stream.behaviour import WINDOW_S, Mark, extended, judge
from godot.stream.ids import StreamID


def mark(
    at_s: float,
    waiting_ms: int,
    read: int | None = 100,
    pending: int = 10,
    *,
    served: bool = True,
    delivered: int = 1,
) -> Mark:
    return Mark(at_s, waiting_ms, served, read, pending, StreamID(delivered, 0))


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ([mark(0, 0)], "ok"),
        ([mark(0, 5_000)], "ok"),  # what waits is on its way
        ([mark(0, 60_000)], "unknown"),  # one look tells nothing of what it does
        ([mark(0, 60_000), mark(0.2, 60_200)], "unknown"),  # nor does a glance
        ([mark(0, 60_000), mark(2, 62_000)], "stalled"),
        ([mark(0, 60_000), mark(0.2, 60_200, served=False)], "no-consumer"),
        ([mark(0, 0, served=False)], "no-consumer"),
        # read is not finished: what a worker takes and never settles makes no progress
        ([mark(0, 60_000), mark(2, 62_000, read=110, pending=20)], "stalled"),
        ([mark(0, 60_000), mark(0.2, 60_200, pending=9)], "behind"),
        ([mark(0, 60_000), mark(0.2, 40_000, read=200)], "ok"),  # worked off
        ([mark(0, 60_000), mark(0.2, 60_100, read=200)], "behind"),
        # finished somewhere in the window is enough
        ([mark(0, 60_000), mark(3, 62_000, read=200), mark(6, 65_000, read=200)], "behind"),
        # where Redis lost count, whatever moves
        ([mark(0, 60_000, None), mark(2, 62_000, None, delivered=2)], "behind"),
        ([mark(0, 60_000, None), mark(2, 62_000, None, 9)], "behind"),
        ([mark(0, 60_000, None), mark(2, 62_000, None)], "stalled"),
        ([mark(0, 60_000, 100), mark(2, 62_000, 3)], "stalled"),  # a group made anew
    ],
)
def test_a_group_is_judged_by_what_it_does(marks: list[Mark], state: str):
    assert judge(marks) == state


def test_what_is_long_past_counts_no_more_but_one_look_before_is_kept():
    old, recent = mark(0, 0), mark(WINDOW_S, 1)
    now = mark(WINDOW_S + 1, 2)
    assert extended((), now) == (now,)
    assert extended((old, recent), now) == (recent, now)
    assert extended((old,), now) == (old, now)
