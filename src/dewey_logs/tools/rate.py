"""How often each token may call: a bucket that fills evenly and holds two seconds' worth."""

from __future__ import annotations

from collections.abc import Callable

BURST_S = 2.0


class Rates:
    """One bucket a name; names come from the tokens file, so there are few."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # calls left, and when that was so

    def wait_s(self, name: str, calls_per_s: float) -> float:
        """Take a call; return 0, or for how long there is none to take."""
        now = self._clock()
        most = max(1.0, calls_per_s * BURST_S)
        left, then = self._buckets.get(name, (most, now))
        left = min(most, left + (now - then) * calls_per_s)
        taken = left >= 1.0
        self._buckets[name] = (left - 1.0 if taken else left, now)
        return 0.0 if taken else (1.0 - left) / calls_per_s
