"""Answers for callers who wait: is everything logged before now in Redis?

A mark remembers how much was in the queue when it was set. It is settled when the sender has taken
that much and no record up to there waits in the outbox any more, whatever is logged meanwhile.
"""

from __future__ import annotations

import threading


class Mark:
    """One caller's wait."""

    def __init__(self, slots_before: int, dropped_before: int, max_failures: int) -> None:
        self.slots_before = slots_before
        self.dropped_before = dropped_before
        self.failures_left = max_failures
        self.last: int | None = None  # sequence number, once the intake is taken that far
        self.delivered = False
        self.done = threading.Event()


class Marks:
    """All waits of one sender; `add` is called by callers, the rest by the sender's thread."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []

    def __bool__(self) -> bool:
        return bool(self._marks)

    def add(self, mark: Mark) -> None:
        self._marks.append(mark)

    def failed(self) -> None:
        """Note that an attempt to deliver failed."""
        for mark in self._marks:
            mark.failures_left -= 1

    def give_up(self) -> None:
        """Answer everyone with what is so far: the process ends."""
        for mark in self._marks:
            mark.failures_left = 0

    def resolve(
        self, *, taken: int, empty: bool, last: int, oldest: int | None, told: bool, dropped: int
    ) -> None:
        """Answer the waits that are over.

        `taken` slots left the intake, which is `empty` or not; `last` is the last number given;
        `oldest` that of the record waiting longest; `told` says that no receipt is outstanding.
        """
        for mark in list(self._marks):
            if mark.last is None and (empty or taken >= mark.slots_before):
                mark.last = last
            settled = told and mark.last is not None and (oldest is None or oldest > mark.last)
            # a hopeless one is over when all of it was taken at least: by then it is printed
            if settled or (mark.failures_left <= 0 and mark.last is not None):
                mark.delivered = settled and dropped == mark.dropped_before
                self._marks.remove(mark)
                mark.done.set()
