"""Looks at everything that records depend on, and says what of it is not as it should be.

Each result has a code (`godot explain CODE` says more) and, unless all is well, the next step. What
could not be looked at is `unknown`, which is no reassurance.
"""

from __future__ import annotations

from collections.abc import Iterator

from godot import snapshot
from godot.doctor import machine, redis_side, store_side
from godot.doctor.result import OK, Outcome, Result
from godot.findings import findings
from godot.settings import Settings

__all__ = ["OK", "Result", "examine"]


def examine(settings: Settings) -> Iterator[Result]:
    """Yield the results one by one, as they are found; raises nothing for a server that is away."""
    yield from machine.examine(settings)
    yield from redis_side.examine(settings)
    yield from store_side.examine(settings)
    yield from _path(settings)


def _path(settings: Settings) -> Iterator[Result]:
    """Yield what a snapshot finds; that servers are away was said already."""
    now = snapshot.take(settings)
    found = [one for one in findings(now) if not one.code.startswith("GD-2")]
    for one in found:
        bad: Outcome = "failed" if one.severity == "critical" else "warning"
        ours = one.next_step == "godot doctor"  # which is what runs here
        step = f"godot explain {one.code}" if ours else one.next_step
        yield Result(one.code, bad, one.text, step)
    if now.group is not None and not any(one.code.startswith("GD-31") for one in found):
        outcome: Outcome = "ok" if now.state == "ok" else "unknown"
        yield Result("GD-3101", outcome, f"group {now.group_name} is {now.state}")
