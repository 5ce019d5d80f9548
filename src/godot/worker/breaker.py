"""Waiting out an outage: back off with jitter, and stop pushing after three failures.

While the breaker is open the worker neither reads nor re-sends its batch: the stream is the
buffer, and one cheap probe at a time asks whether the store is back. Nothing is discarded.
"""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 2.0  # the first commit after a server's return must come within seconds
OPEN_AFTER = 3


class Breaker:
    """Counts failures in a row and says how long to wait before the next try."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self.failures = 0

    @property
    def open(self) -> bool:
        return self.failures >= OPEN_AFTER

    def failed(self) -> float:
        """Note a failure; return the seconds to wait."""
        self.failures += 1
        ceiling = min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** min(self.failures - 1, 10))
        return self._jitter(ceiling / 2, ceiling)

    def succeeded(self) -> None:
        self.failures = 0
