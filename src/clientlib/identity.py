"""Record ids: time, producer and sequence in one UUIDv8.

    48 bits Unix ms | version 8 | 12 bits sequence high | variant | 24 bits sequence low | 38 bits producer

Equal ids are the same record, which is what makes a repeated XADD harmless; rising time first keeps
the unique index's inserts at its right edge. The sequence rises by one for every record that passed
the level filter, so a missing number is a lost record and can be named.
"""  # noqa: E501  # the layout is one line

from __future__ import annotations

import os
import threading
from struct import Struct, unpack
from typing import NamedTuple

from clientlib.pattern import Pattern

SEQUENCE_BITS = 36
PRODUCER_BITS = 38
MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1
MAX_PRODUCER = (1 << PRODUCER_BITS) - 1
MAX_MS = (1 << 48) - 1

_UUID = Pattern(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSION, _VARIANT = bytes(range(0x80, 0x90)), bytes(range(0x80, 0xC0))  # the bytes they stand in
_halves = Struct(">QQ").unpack
_tuple = tuple.__new__  # what a NamedTuple's constructor calls, without the Python around it


class RecordId(NamedTuple):
    """What an id of ours says: when, which number of which producer."""

    ms: int
    sequence: int
    producer: int


class Producer:
    """One process's client: a random number, and the sequence that it hands out.

    A fork must make a new one. Two producers of 100,000 share a number with a probability of about
    2 %; the audit notices a sequence number seen with two different ids.
    """

    def __init__(self, number: int | None = None) -> None:
        self._lock = threading.Lock()
        self._number = _random_number() if number is None else number & MAX_PRODUCER
        self._next = 1

    @property
    def number(self) -> int:
        return self._number

    @property
    def hex(self) -> str:
        """The number as 10 hex digits: its name in the producers hash."""
        return f"{self._number:010x}"

    @property
    def last(self) -> int:
        """The highest sequence number handed out so far; 0 before the first."""
        return self._next - 1

    def take(self, n: int = 1) -> int:
        """Return the first of `n` consecutive sequence numbers; safe from any thread.

        When the 36 bits are used up, the producer becomes a new one (number and sequence): after
        sixty-eight billion records.
        """
        return self.claim(n)[1]

    def claim(self, n: int = 1) -> tuple[int, int]:
        """Return (producer number, first sequence number): the pair that belongs together."""
        with self._lock:
            if self._next + n - 1 > MAX_SEQUENCE:
                self._number = _random_number()
                self._next = 1
            first = self._next
            self._next = first + n
            return self._number, first


def record_id(ms: int, sequence: int, producer: int) -> str:
    """Return the UUID text of a record; numbers beyond their bits are a caller's error."""
    low = 0x8000000000000000 | (sequence & 0xFFFFFF) << PRODUCER_BITS | producer
    return (
        f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-8{sequence >> 24:03x}"
        f"-{low >> 48:04x}-{low & 0xFFFFFFFFFFFF:012x}"
    )


def parse_record_id(text: str | bytes) -> RecordId | None:
    """Return what an id of ours says, or None when it is anything else."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not _UUID.fullmatch(text):
        return None
    return read_record_id(bytes.fromhex(text.replace("-", "")))


def read_record_id(raw: bytes) -> RecordId | None:
    """Return what the sixteen bytes of an id of ours say, or None when it is another's."""
    high, low = _halves(raw)
    if high & 0xF000 != 0x8000 or low >> 62 != 0b10:
        return None
    sequence = (high & 0xFFF) << 24 | (low >> PRODUCER_BITS) & 0xFFFFFF
    if not sequence:
        return None  # sequences start at 1: zero is another's v8
    return _tuple(RecordId, (high >> 16, sequence, low & MAX_PRODUCER))


def read_record_ids(raw: bytes) -> tuple[list[int], list[int]] | None:
    """Return the sequences and the producers of many ids of ours, end to end.

    None when one of them is another's.
    """
    if raw[6::16].translate(None, _VERSION) or raw[8::16].translate(None, _VARIANT):
        return None
    words = unpack(f">{len(raw) // 8}Q", raw)
    low = words[1::2]
    sequences = [
        (high & 0xFFF) << 24 | (word >> PRODUCER_BITS) & 0xFFFFFF
        for high, word in zip(words[::2], low, strict=True)
    ]
    return None if 0 in sequences else (sequences, [word & MAX_PRODUCER for word in low])


def _random_number() -> int:
    # Not from `random`: a program that seeds it in every worker must not make equal producers.
    return int.from_bytes(os.urandom(5)) & MAX_PRODUCER
