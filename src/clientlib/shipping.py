"""Delivery of packed records, through good times and outages; used by the sender's thread alone,
but for the last words.

Every command's answer is read. Sending again is safe for XADD because a record keeps its id and
bytes, and for HSET because it only says the latest state. It goes on as long as the process lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from clientlib.announce import Announcement
from clientlib.buffer import SHUTDOWN, Drops, count_of
from clientlib.fallback import Outage, Printer, say
from clientlib.framing import Framer, Source
from clientlib.identity import Producer
from clientlib.outbox import NO_REPLY, Outbox, Receipt
from clientlib.redaction import STANDARD
from clientlib.resp import sequence_of
from clientlib.settings import Destination, found_redis_url
from clientlib.transport import Transport
from clientlib.turns import Turn

PRINTING_S = 0.4  # for the other thread, at the end, when two have something to print
MAX_RANGES = 500  # in one receipt: about 12 KB
_UNSENT = "ended with {} records not sent in time; they are on stdout"
_LOST = "ended with {} records neither sent nor printed: stdout does not take them"
_HELD = "ended with {} records neither sent nor printed: packing them takes too long"
_UNTOLD = "ended with records that were dropped ({}), and no receipt tells so: some are on stdout"
_PING = b"*1\r\n$4\r\nPING\r\n"


class Shipping:
    """The outbox and the way from it to the stream."""

    def __init__(
        self, destination: Destination, producer: Producer, framer: Framer, turn: Turn
    ) -> None:
        self._producer = producer
        self._framer = framer
        self.drops = Drops()
        self.outbox = Outbox(destination.buffer_records, destination.buffer_bytes, self.drops)
        self.outage = Outage()
        self.printer = Printer(turn=turn)
        self._printing = threading.Lock()
        self.transport = Transport(
            destination.redis_url, None if destination.given else found_redis_url, turn
        )
        self._announcement = Announcement(destination.stream)
        self._unlisted = False  # the producers hash is refused, and that was told
        self._highest_sent = 0
        self.ended = False
        self.sent = 0

    def __bool__(self) -> bool:
        return bool(self.outbox or self.drops)

    def added(self) -> None:
        """Print what was added to the outbox, at once, if there is an outage."""
        if self.outage:
            self._print_and_trim()

    def deliver(
        self,
        component: str,
        *,
        patience_s: float | None,
        hurried: bool,
        meanwhile: Callable[[], None] | None = None,
    ) -> bool:
        """Send what goes next; False when not all of it was taken.

        `meanwhile` is done while the server works; it may add records.
        """
        reason = self._attempt(component, patience_s, None if self.outage else meanwhile)
        if reason is not None:
            self.outage.failed(self.transport.place, reason, hurried=hurried)
            self._print_and_trim()
            return False
        self.outage.over(
            self.transport.place,
            f"{self.printer.printed} printed on stdout so far, {len(self.outbox)} still to send, "
            f"{self.drops.total} dropped",
        )
        return True

    def give_up(self, component: str, patience_s: float) -> None:
        """End with the process: print what is not sent, and say in the stream what is missing."""
        undelivered = len(self.outbox)
        self._print_last()
        self.outbox.drop_all(SHUTDOWN)
        if not self.outage:
            if undelivered:
                say(_UNSENT.format(undelivered))
            self.deliver(component, patience_s=patience_s, hurried=True)

    def print_rest(self, held: int) -> None:
        """End with the process where nothing can be sent at all: from another thread than usual.

        That one still has `held` records in hand. What is logged afterwards is only printed, where
        stdout takes it at once.
        """
        if self.ended:
            self._print()
            return
        self.ended = True
        undelivered = len(self.outbox.unprinted())
        self._print_last()
        if undelivered:
            say(_UNSENT.format(undelivered))
        if held:
            say(_HELD.format(held))
        if untold := self._untold():
            say(_UNTOLD.format(", ".join(f"{reason}: {n}" for reason, n in untold.items())))

    def _untold(self) -> dict[str, int]:
        """Return how many were dropped for each reason, and are named in no receipt that arrived.

        Without those that the end itself drops: they are printed, or that they are not was told.
        """
        untold = self.drops.untold()
        for receipt in self.outbox.receipts:
            untold[receipt.reason] += count_of(receipt.ranges)
        del untold[SHUTDOWN]
        return untold

    def close(self) -> None:
        self.transport.close()

    def _attempt(
        self,
        component: str,
        patience_s: float | None,
        meanwhile: Callable[[], None] | None,
    ) -> str | None:
        """Return None when everything was taken, else the reason."""
        if self.outage:
            # Ask first: a receipt is only worth a number when someone may take it.
            answers = self.transport.exchange([_PING], patience_s)
            if answers.broken or answers.replies[0]:
                return answers.broken or answers.replies[0]
        self._write_receipts(component)
        commands = self.outbox.batch()
        newest = [receipt.command for receipt in self.outbox.receipts] + commands[-1:]
        self._highest_sent = max([self._highest_sent, *map(sequence_of, newest)])
        listing = self._announcement.command(
            self._producer.hex, self._highest_sent, component, self.drops.total
        )
        answers = self.transport.exchange([*commands, listing], patience_s, meanwhile)
        self.sent += self.outbox.settle(len(commands), answers.replies)
        if refusal := next(filter(None, answers.replies[: len(commands)]), None):
            return refusal
        if len(answers.replies) < max(1, len(commands)):
            return answers.broken or NO_REPLY
        if answers.broken is None and answers.replies[-1] is not None and not self._unlisted:
            self._unlisted = True
            say(f"{self._announcement.key} cannot be written: {answers.replies[-1]}")
        return None

    def _write_receipts(self, component: str) -> None:
        while told := self.drops.take(MAX_RANGES):
            reason, ranges = told
            number, sequence = self._producer.number, 0
            if self.outbox.spare_numbers:
                sequence = self.outbox.spare_numbers.pop()
            else:
                number, sequence = self._producer.claim()
            notes = {
                "dropped": count_of(ranges),
                "ranges": ranges,
                "reason": reason,
            }
            source = Source(self.outbox.next_component() or component, STANDARD)
            command = self._framer.receipt(source, time.time_ns(), number, sequence, notes)
            self.outbox.receipts.append(Receipt(command, reason, ranges))

    def _print_and_trim(self) -> None:
        self._print()
        self.outbox.trim()

    def _print(self) -> int:
        """Print what was not printed yet; return how many records stdout did not take."""
        if not self._printing.acquire(timeout=PRINTING_S):
            return len(self.outbox.unprinted())
        try:
            waiting = self.outbox.unprinted()
            taken = self.printer.print(waiting)
            self.outbox.printed(taken)
        finally:
            self._printing.release()
        return len(waiting) - taken

    def _print_last(self) -> None:
        self.printer.be_patient()
        if refused := self._print():
            say(_LOST.format(refused))
