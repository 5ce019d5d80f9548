"""The bounded queue between the callers and the sender, and the account of what did not fit.

Callers only append to a deque, which is atomic, and never wait. Bounds are kept without a counter
of bytes: capacity is a number of slots of `max_bytes / max_records` bytes; a larger record takes
several, filled with None, appended in the same atomic step. So one `len()` tells both bounds.

Above four fifths only WARN and ERROR get in; above the whole nothing does. A refused record is
counted by reason at once and gets its sequence number when the sender next looks (the numbers are
given in the queue's order, by one thread: a caller needs no lock and leaves no hole when a signal
interrupts it). Above one half, the call gives up the rest of its time slice: a loop that logs
faster than one core can ship (or print) slows down to that speed instead of losing records. It
waits for nothing: when the sender's thread is waiting itself, the call goes on at once.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import count, repeat, starmap
from threading import Lock

from clientlib.framing import Snapshot

BUFFER_FULL = "buffer_full"
TOO_LARGE = "too_large"
UNREADABLE = "unreadable"
SHUTDOWN = "shutdown"
IMPORTANT = 30  # WARN: the first level that may use the last fifth
MAX_RANGES_KEPT = 1_000


class Tally:
    """A counter that any thread may raise without a lock and one thread reads."""

    __slots__ = ("_counter", "_reads", "add")

    def __init__(self) -> None:
        self._counter = count()
        self.add: Callable[[], int] = self._counter.__next__
        self._reads = 0

    def read(self) -> int:
        """Return how often `add` was called; only the sender's thread asks."""
        value = next(self._counter) - self._reads
        self._reads += 1
        return value


class Intake:
    """The queue itself. Its attributes are read by callers on the hot path."""

    __slots__ = (
        "_bell",
        "_collected",
        "_start",
        "_tallies",
        "capacity",
        "idle",
        "queue",
        "slot_bytes",
        "soft",
        "taken",
    )

    def __init__(self, max_records: int, max_bytes: int, start: Callable[[], None]) -> None:
        self.capacity = max_records
        self.slot_bytes = max(1, max_bytes // max_records)
        self.soft = max(1, max_records // 2)
        self.queue: deque[Snapshot | None] = deque()
        self._start = start
        self.clear()

    def clear(self) -> None:
        """Empty everything: at construction, and in a forked child, whose parent keeps its own."""
        self.queue.clear()
        self.idle = True  # so that the next record starts the sender
        self.taken = 0  # slots that left the queue
        self._bell = Lock()
        self._bell.acquire()
        self._tallies = {reason: Tally() for reason in (BUFFER_FULL, TOO_LARGE, UNREADABLE)}
        self._collected = dict.fromkeys(self._tallies, 0)

    def put(self, snapshot: Snapshot, size: int) -> None:
        """Append a record that is large, or comes when the queue is half full; or refuse it."""
        slots = 1 + size // self.slot_bytes
        if slots > self.capacity:
            self.refuse(TOO_LARGE)
            return
        limit = self.capacity if snapshot[0] >= IMPORTANT else max(slots, self.capacity * 4 // 5)
        if len(self.queue) + slots > limit:
            self.refuse(BUFFER_FULL)
        elif slots == 1:
            self.queue.append(snapshot)
        else:
            self.queue.extend((snapshot, *(None,) * (slots - 1)))
        if len(self.queue) >= self.soft:
            time.sleep(0)

    def refuse(self, reason: str) -> None:
        """Count a record that did not get in; its receipt may be all that there is to send."""
        self._tallies[reason].add()
        if self.idle:
            self.wake()

    def take(self, max_slots: int) -> list[Snapshot]:
        """Return the oldest records, at most `max_slots` of them and as many slots' bytes."""
        n = min(len(self.queue), max_slots)
        self.taken += n  # first: a flush that asks meanwhile waits for too much, not for too little
        taken: list[Snapshot | None] = []
        try:
            taken.extend(starmap(self.queue.popleft, repeat((), n)))
        except IndexError:  # at the end of a process another thread may be at it, too
            self.taken += len(taken) - n
        return [snapshot for snapshot in taken if snapshot is not None]

    def refusals(self) -> list[tuple[str, int]]:
        """Return (reason, how many) refused since the last time; only the sender asks."""
        found = []
        for reason, tally in self._tallies.items():
            total = tally.read()
            if total > self._collected[reason]:
                found.append((reason, total - self._collected[reason]))
                self._collected[reason] = total
        return found

    def wake(self) -> None:
        """Make the sender look; called only when it sleeps or was never started."""
        self.idle = False
        try:
            self._start()
        except BaseException:  # a signal's handler, or no stack: the next record has to do it
            self.idle = True
            raise
        self.ring()

    def ring(self) -> None:
        """Make the sender look if it is there."""
        try:
            self._bell.release()
        except RuntimeError:  # another caller was faster
            return

    def wait(self, timeout_s: float) -> None:
        """Sleep until a record arrives, `wake()` is called or the time is over (-1: no limit).

        When nothing came the next record still wakes: the first one of a process has more to start
        than this thread.
        """
        self.idle = True
        if not self.queue:
            self._bell.acquire(timeout=timeout_s)
        if self.queue:
            self.idle = False

    def linger(self, timeout_s: float) -> None:
        """Let records gather; only `wake()` from flush and close ends it early."""
        self._bell.acquire(timeout=timeout_s)


class Drops:
    """Sequence numbers of records that were dropped, by reason, until a receipt has told."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._ranges)

    @property
    def total(self) -> int:
        return sum(self.totals.values())

    def add(self, reason: str, first: int, last: int, *, again: bool = False) -> None:
        """Note a range; `again` when a receipt that named it was itself dropped."""
        if not again:
            self.totals[reason] = self.totals.get(reason, 0) + last - first + 1
        ranges = self._ranges.setdefault(reason, [])
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
            return
        ranges.append((first, last))
        if len(ranges) > MAX_RANGES_KEPT:
            ranges[:] = merged(ranges)

    def untold(self) -> Counter[str]:
        """Return how many numbers of each reason are to be told still."""
        return Counter({reason: count_of(ranges) for reason, ranges in self._ranges.items()})

    def take(self, max_ranges: int) -> tuple[str, list[tuple[int, int]]] | None:
        """Remove and return one receipt's worth, oldest numbers first; None when all is told."""
        for reason in list(self._ranges):
            ranges = merged(self._ranges.pop(reason))
            if ranges[max_ranges:]:
                self._ranges[reason] = ranges[max_ranges:]
            return reason, ranges[:max_ranges]
        return None


def count_of(ranges: list[tuple[int, int]]) -> int:
    """Return how many numbers are in ranges that do not overlap."""
    return sum(last - first + 1 for first, last in ranges)


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same numbers in rising ranges that do not touch."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and found[-1][1] >= first - 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
