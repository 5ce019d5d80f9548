"""How many records are written at once: as many as there may be, fewer while the store is slow.

PostgreSQL ends a statement that takes too long, and the whole batch with it. Trying it again as it
is would take as long again, for ever. So half as many are tried, and twice as many again once that
many took no more than a quarter of the time that was too long. Thus nothing is tried that is likely
to be in vain, the store has room to get slower, and one that is quick again has whole batches
within a few of them; no clock says when.
"""

from __future__ import annotations

import threading

MARGIN = 4


class Portion:
    """The number, for the threads that store; `most` is the largest it may be."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._too_long_s = 0.0
        self._lock = threading.Lock()
        self.records = most

    @property
    def whole(self) -> bool:
        return self.records == self._most

    def too_slow(self, records: int, seconds: float) -> None:
        """Note that so many were given up after that time."""
        with self._lock:
            self._too_long_s = seconds
            self.records = max(1, min(self.records, records // 2))

    def stored(self, records: int, seconds: float) -> bool:
        """Note that so many were stored in that time; say whether whole batches will do again."""
        with self._lock:
            if not records or self.whole:
                return False
            whole_s = seconds * max(1.0, self.records / records)  # a commit alone takes time, too
            if MARGIN * whole_s <= self._too_long_s:
                self.records = min(self._most, 2 * self.records)
            return self.whole
