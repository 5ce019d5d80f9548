"""Which of a stream's entries the ledger calls settled, looked up one by one.

Runs of first deliveries never overlap, so the nearest one below an entry is the only one to ask.
"""

from __future__ import annotations

from bisect import bisect_right

from dewey_logs import EntryRun
from godot.stream.ids import StreamID
from godot.stream.inventory import Inventory


class Settled:
    """The runs that reach into the stream, for looking entries up."""

    def __init__(self, runs: tuple[EntryRun, ...]) -> None:
        self._new = sorted((r.first, r.last, r.n) for r in runs if r.delivery == "new")
        self._firsts = [first for first, _, _ in self._new]
        self._again = {r.first for r in runs if r.delivery == "again"}
        self._vanished = {r.first for r in runs if r.delivery == "vanished"}

    def covers(self, entry: StreamID) -> bool:
        at = bisect_right(self._firsts, entry) - 1
        return (at >= 0 and entry <= self._new[at][1]) or entry in self._again

    def outside(self, inventory: Inventory) -> int:
        """Count settled entries up to the inventory's end that are no longer in the stream."""
        present = [item.id for item in inventory.held]
        gone = 0
        for first, last, n in self._new:
            if first > inventory.upto:
                continue
            still = bisect_right(present, last) - bisect_right(present, (first[0], first[1] - 1))
            if last <= inventory.upto:
                gone += n - still
        held = set(present)
        return gone + sum(
            1
            for entry in self._again
            if entry <= inventory.upto and entry not in held and not self._in_new(entry)
        )

    def count_after(self, entry: StreamID) -> int:
        """Count the entries of runs that begin behind an entry."""
        alone = {e for e in self._again | self._vanished if e > entry and not self._in_new(e)}
        return len(alone) + sum(n for first, _, n in self._new if first > entry)

    def vanished(self, inventory: Inventory) -> int:
        return sum(
            1 for e in self._vanished if e <= inventory.upto and not self.covers(StreamID(*e))
        )

    def _in_new(self, entry: tuple[int, int]) -> bool:
        at = bisect_right(self._firsts, entry) - 1
        return at >= 0 and entry <= self._new[at][1]
