"""What the sender does in one step: take records, number and pack them, send, answer who waits.

Kept apart from the thread that repeats it (sender.py), because at the end of a process another one
may have to: nothing here starts, sleeps or wakes, and one thread is in here at a time.
"""

from __future__ import annotations

import time

from clientlib.buffer import UNREADABLE, Intake
from clientlib.flush import Marks
from clientlib.framing import Framer
from clientlib.identity import Producer
from clientlib.outbox import MAX_SENT_BYTES
from clientlib.settings import Destination
from clientlib.shipping import Shipping
from clientlib.turns import Turn

MAX_TAKEN = 500
PACKING_S = 0.4  # for the other thread, at the end, to be done with what it has in hand
LEAST_PATIENCE_S = 0.2  # for the last words of a process
UNNAMED = "-"


class Dispatch:
    """The way of one process's records from the queue to the stream."""

    def __init__(self, destination: Destination, intake: Intake, component: str = UNNAMED) -> None:
        self._intake = intake
        # what is in hand is in no queue: not so much of it that the end of a process comes between
        self._max_slots = max(1, min(MAX_TAKEN, 2 * MAX_SENT_BYTES // intake.slot_bytes))
        self._in_hand = 0
        self.component = component  # the first one that logs names this producer
        self._hurried = False  # one attempt at once for a caller who waits
        self.producer = Producer()
        self.framer = Framer(destination.stream, destination.maxlen)
        self.marks = Marks()
        self.shipping = Shipping(destination, self.producer, self.framer, Turn(self._is_awaited))
        self.deadline: float | None = None  # what is not sent by then is given up

    def __bool__(self) -> bool:
        return bool(self._intake.queue or self.shipping or self.marks)

    def _is_awaited(self) -> bool:
        return bool(self.marks) or self.deadline is not None

    def step(self) -> None:
        """Do what is due."""
        if self.shipping.outage or not self.shipping.outbox.large:
            self._take()
        if self.marks and self.deadline is not None and time.monotonic() >= self.deadline:
            self._give_up()
        elif self._due():
            self._deliver()
        self._resolve()

    def print_rest(self) -> None:
        """Print what was not sent, and everything that is still queued: the process ends."""
        self._take()  # what was refused since the last time is in no queue
        while self._intake.queue:
            self._take()
        if not self.shipping.ended:
            until = time.monotonic() + PACKING_S
            while self._in_hand and time.monotonic() < until:
                time.sleep(0.001)
        self.shipping.print_rest(self._in_hand)

    def _take(self) -> None:
        shipping = self.shipping
        batch = self._intake.take(self._max_slots)
        self._in_hand += len(batch)
        refused = self._intake.refusals()
        wanted = len(batch) + sum(n for _, n in refused)
        if not wanted:
            return
        producer, first = self.producer.claim(wanted)
        commands, unreadable = self.framer.frame_whole(batch, producer, first)
        for sequence in unreadable:
            shipping.drops.add(UNREADABLE, sequence, sequence)
        shipping.outbox.add(commands)
        self._in_hand -= len(batch)
        first += len(batch)
        for reason, n in refused:
            shipping.drops.add(reason, first, first + n - 1)
            first += n
        shipping.added()

    def _take_whole(self) -> None:
        """Pack the next batch while the server works on this one, if there is a whole one.

        Not at the end of a process, where another thread may be at what is queued; and no further
        ahead than that one batch, because it is the intake that bounds what waits.
        """
        ending = self.deadline is not None or self.shipping.ended
        ahead = self.shipping.outbox.holds_two
        if len(self._intake.queue) >= MAX_TAKEN and not ahead and not ending:
            self._take()

    def _due(self) -> bool:
        outage = self.shipping.outage
        if outage and self.marks and not self._hurried:
            return True
        return outage.wait_s == 0 if outage else bool(self.shipping)

    def _deliver(self) -> None:
        self._hurried = bool(self.marks)
        patience_s = None
        if self.deadline is not None:
            patience_s = max(LEAST_PATIENCE_S, (self.deadline - time.monotonic()) / 2)
        delivered = self.shipping.deliver(
            self.component,
            patience_s=patience_s,
            hurried=self._hurried,
            meanwhile=self._take_whole,
        )
        if not delivered:
            self.marks.failed()

    def _give_up(self) -> None:
        while self._intake.queue:
            self._take()
        self.shipping.give_up(self.component, LEAST_PATIENCE_S)
        self.marks.give_up()

    def _resolve(self) -> None:
        shipping = self.shipping
        if self.marks:
            self.marks.resolve(
                taken=self._intake.taken,
                empty=not self._intake.queue,
                last=self.producer.last,
                oldest=shipping.outbox.oldest,
                told=not (shipping.outbox.receipts or shipping.drops),
                dropped=shipping.drops.total,
            )
        else:
            self._hurried = False
