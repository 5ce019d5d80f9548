"""Records on their way: packed, numbered, and kept until Redis has answered for each.

In good times it holds one batch. During an outage it holds the newest records, within the two
bounds of the buffer; the oldest make room and are named in a receipt once Redis is back. A record
is printed at most once, however often it is sent: those printed are always the oldest, so one count
tells them apart.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

from clientlib.buffer import BUFFER_FULL, Drops
from clientlib.resp import fields_of, sequence_of

MAX_SENT_RECORDS = 500
MAX_SENT_BYTES = 1_048_576
NO_REPLY = "no reply"


class Receipt(NamedTuple):
    """A record that names dropped ones, and what to tell again should it be lost itself."""

    command: bytes
    reason: str
    ranges: list[tuple[int, int]]


class Outbox:
    """What Redis has not answered for yet, oldest first; used by the sender's thread alone.

    Commands, and nothing beside them: what else is asked about a record, seldom, is read out of it.
    """

    def __init__(self, max_records: int, max_bytes: int, drops: Drops) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._drops = drops
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._printed = 0  # how many of the oldest were printed already
        self.receipts: deque[Receipt] = deque()
        self.spare_numbers: list[int] = []  # of receipts that were refused

    def __len__(self) -> int:
        return len(self._waiting)

    def __bool__(self) -> bool:
        return bool(self._waiting or self.receipts)

    @property
    def large(self) -> bool:
        """Say whether there is enough for two batches: no need to take more from the intake."""
        return len(self._waiting) >= MAX_SENT_RECORDS or self._bytes >= MAX_SENT_BYTES

    @property
    def holds_two(self) -> bool:
        """Say whether one batch more would be there when one that is under way is settled."""
        return len(self._waiting) >= 2 * MAX_SENT_RECORDS or self._bytes >= 2 * MAX_SENT_BYTES

    @property
    def oldest(self) -> int | None:
        """Return the sequence number of the record that waits longest."""
        return sequence_of(self._waiting[0]) if self._waiting else None

    def add(self, commands: list[bytes]) -> None:
        """Append records; `trim` afterwards, once they had their chance to be printed."""
        self._waiting.extend(commands)
        self._bytes += sum(map(len, commands))

    def trim(self) -> None:
        """Drop the oldest records until both bounds hold."""
        while len(self._waiting) > self._max_records or self._bytes > self._max_bytes:
            self._drop_oldest(BUFFER_FULL)

    def drop_all(self, reason: str) -> None:
        """Drop every record that waits."""
        while self._waiting:
            self._drop_oldest(reason)

    def _drop_oldest(self, reason: str) -> None:
        command = self._waiting.popleft()
        self._bytes -= len(command)
        self._printed = max(0, self._printed - 1)
        sequence = sequence_of(command)
        self._drops.add(reason, sequence, sequence)

    def unprinted(self) -> list[bytes]:
        """Return the records that were not printed yet."""
        return list(islice(self._waiting, self._printed, None))

    def printed(self, n: int) -> None:
        """Note that the first so many of those were printed."""
        self._printed += n

    def next_component(self) -> str | None:
        """Return the component of the record that goes next: a receipt before it bears its name."""
        return fields_of(self._waiting[0])[b"component"].decode() if self._waiting else None

    def batch(self) -> list[bytes]:
        """Return what to send next: receipts first, then the oldest records; nothing is removed."""
        commands = [receipt.command for receipt in self.receipts]
        if len(commands) + len(self._waiting) <= MAX_SENT_RECORDS and self._bytes <= MAX_SENT_BYTES:
            return [*commands, *self._waiting]
        size = 0
        for command in self._waiting:
            size += len(command)
            if commands and (len(commands) >= MAX_SENT_RECORDS or size > MAX_SENT_BYTES):
                break
            commands.append(command)
        return commands

    def settle(self, sent: int, replies: list[str | None]) -> int:
        """Remove what was taken of the first `sent`; return how many records that were.

        A receipt that was refused is taken apart: what it told is told again, with what was dropped
        meanwhile. One without an answer may have been stored, so it stays exactly as it is.
        """
        if len(replies) >= sent and not any(replies[:sent]):
            return self._settle_all(sent - len(self.receipts))
        answers = replies[:sent] + [NO_REPLY] * (sent - len(replies))
        receipts, self.receipts = self.receipts, deque()
        for receipt, answer in zip(receipts, answers, strict=False):
            if answer == NO_REPLY:
                self.receipts.append(receipt)
            elif answer is not None:
                for first, last in receipt.ranges:
                    self._drops.add(receipt.reason, first, last, again=True)
                self.spare_numbers.append(sequence_of(receipt.command))
        kept: list[bytes] = []
        printed = self._printed
        taken = 0
        for i, answer in enumerate(answers[len(receipts) :]):
            command = self._waiting.popleft()
            if answer is None:
                self._bytes -= len(command)
                self._printed -= i < printed
                taken += 1
            else:
                kept.append(command)
        self._waiting.extendleft(reversed(kept))
        return taken

    def _settle_all(self, taken: int) -> int:
        """Do it the short way for what is nearly always the case: all of it was taken."""
        self.receipts.clear()
        pop = self._waiting.popleft
        self._bytes -= sum([len(pop()) for _ in range(taken)])
        self._printed = max(0, self._printed - taken)
        return taken
