"""Trying dead letters again, and writing them out without losing a byte.

A retry decodes the raw fields as if they had just arrived. The row and the letter's new state are
one transaction, so a letter is retried exactly when its record is stored.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

import msgspec

from dewey_logs import (
    Batch,
    DeadLetter,
    DeadLetterFilter,
    LogRow,
    Reject,
    Retried,
    Source,
    Store,
)
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.decode import Decoder, receipt

BATCH = 100


class RetryResult(msgspec.Struct):
    """What became of the letters: `failed` ones stay open, with the reason of this attempt."""

    stored: int = 0
    duplicates: int = 0
    failed: int = 0
    expired: int = 0


def every(store: Store, wanted: DeadLetterFilter) -> Iterator[DeadLetter]:
    """Yield all letters that match, page by page."""
    while page := store.dead_letters(wanted):
        yield from page
        wanted = msgspec.structs.replace(wanted, after=(page[-1].at, page[-1].id))


def retry(store: Store, letters: Iterable[DeadLetter]) -> RetryResult:
    """Store the records of open letters; raises what the store raises, and is safe to repeat."""
    total = RetryResult()
    by_stream: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        waiting = by_stream[letter.stream]
        waiting.append(letter)
        if len(waiting) == BATCH:
            _retry(store, letter.stream, waiting, total)
            waiting.clear()
    for stream, rest in by_stream.items():
        if rest:
            _retry(store, stream, rest, total)
    return total


def _retry(store: Store, stream: str, letters: list[DeadLetter], total: RetryResult) -> None:
    window = store.window()
    decoder = Decoder(stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds)
    rows: list[LogRow] = []
    rejects: list[Reject] = []
    retried: list[Retried] = []
    for letter in letters:
        decoded = decoder.decode(_entry(letter), letter.deliveries)
        source = Source(letter.entry, _raw(letter), letter.deliveries)
        decoded = msgspec.structs.replace(decoded, source=source)
        retried.append(Retried(bytes.fromhex(letter.id.replace("-", "")), decoded.id))
        if isinstance(decoded, LogRow):
            rows.append(decoded)
        else:
            rejects.append(decoded)
    result = store.write(
        Batch(
            stream=stream,
            rows=tuple(rows),
            rejects=tuple(rejects),
            dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
            maybe_known=True,
            retried=tuple(retried),
        )
    )
    total.stored += result.stored
    total.duplicates += result.duplicates
    total.failed += len(result.rejects)
    total.expired += result.expired


def _entry(letter: DeadLetter) -> Entry:
    """Return the letter as the entry it was; one that came without has the letter's time."""
    try:
        at = StreamID.parse(letter.entry)
    except ValueError:
        at = StreamID(int(datetime.fromisoformat(letter.at).timestamp() * 1000), 0)
    return Entry(at, _raw(letter))


def _raw(letter: DeadLetter) -> tuple[bytes, ...]:
    return tuple(chain.from_iterable(letter.fields))


def as_document(letter: DeadLetter) -> dict[str, object]:
    """Return a letter for programs; bytes that are no UTF-8 stand there as {"base64": …}."""
    return {
        **{name: getattr(letter, name) for name in letter.__struct_fields__ if name != "fields"},
        "fields": [[as_text(name), as_text(value)] for name, value in letter.fields],
    }


def as_text(raw: bytes) -> str | dict[str, str]:
    """Return bytes as text where that can be undone, else in base64."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}
