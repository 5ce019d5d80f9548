"""What the tests read back from the server, and the account that must balance."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import redis

from clientlib import parse_record_id


class Account(NamedTuple):
    """What became of the sequence numbers of every producer in a stream."""

    stored: dict[int, set[int]]
    dropped: dict[int, set[int]]
    receipts: int
    entries: int

    @property
    def records(self) -> int:
        """Records of the program's own: without receipts and second arrivals."""
        return sum(len(numbers) for numbers in self.stored.values()) - self.receipts

    @property
    def lost(self) -> int:
        return sum(len(numbers) for numbers in self.dropped.values())

    def assert_balanced(self) -> None:
        """Every number from 1 to the highest is in the stream or named in a receipt, never both."""
        for producer in self.stored.keys() | self.dropped.keys():
            stored, dropped = self.stored[producer], self.dropped[producer]
            assert not stored & dropped
            assert stored | dropped == set(range(1, max(stored | dropped) + 1))


def read(url: str, stream: str) -> list[dict[str, str]]:
    """Return the fields of every entry, oldest first."""
    with redis.Redis.from_url(url) as client:
        return [
            {name.decode(): value.decode() for name, value in fields.items()}
            for _, fields in client.xrange(stream)
        ]


def messages(url: str, stream: str) -> list[str]:
    """Return the records' messages; a second arrival, after an answer that was late, is none."""
    return list({record["id"]: record["message"] for record in read(url, stream)}.values())


def account(url: str, stream: str) -> Account:
    """Sort every sequence number of the stream by what became of it."""
    stored: dict[int, set[int]] = defaultdict(set)
    dropped: dict[int, set[int]] = defaultdict(set)
    seen: dict[tuple[int, int], str] = {}
    receipts = set()
    records = read(url, stream)
    for record in records:
        who = parse_record_id(record["id"])
        assert who is not None
        key = (who.producer, who.sequence)
        assert seen.setdefault(key, record["id"]) == record["id"], "one number, two ids"
        stored[who.producer].add(who.sequence)
        notes = json.loads(record.get("data", "{}")).get("godot", {})
        if "dropped" in notes:
            receipts.add(key)
            assert record["level"] == "WARN"
            assert record["message"] == "records dropped"
            numbers = {n for a, b in notes["ranges"] for n in range(a, b + 1)}
            assert len(numbers) == notes["dropped"]
            dropped[who.producer] |= numbers
    return Account(stored, dropped, len(receipts), len(records))


def until(condition: Callable[[], object], timeout_s: float = 90.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
