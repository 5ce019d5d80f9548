"""Trying dead letters again, and writing them out without losing a byte.

A retry decodes the raw fields as if they had just arrived. The row and the letter's new state are
one transaction, so a letter is retried exactly when its record is stored. What the store answers
to with an error nobody knows is divided until the letter is alone that it is about.

A letter that was condemned unread has no more than its id: its fields are in the stream, as long as
the entry is. It is read there, and stored, by itself, since it may be what it was condemned for.
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
    Unclassified,
)
from godot.identity import given_id
from godot.settings import Settings
from godot.stream.connection import close, connect
from godot.stream.ids import StreamID
from godot.stream.pending import payloads
from godot.stream.replies import Entry
from godot.worker.aside import refused
from godot.worker.decode import Decoder, receipt

BATCH = 100


class RetryResult(msgspec.Struct):
    """What became of the letters: `failed` ones stay open, with the reason of this attempt.

    `gone` were condemned unread, and the stream has their entries no more: they stay as they are.
    """

    stored: int = 0
    duplicates: int = 0
    failed: int = 0
    expired: int = 0
    gone: int = 0


def every(store: Store, wanted: DeadLetterFilter) -> Iterator[DeadLetter]:
    """Yield all letters that match, page by page: small ones, where letters bring their payload."""
    if wanted.payload:
        wanted = msgspec.structs.replace(wanted, limit=BATCH)
    while page := store.dead_letters(wanted):
        yield from page
        wanted = msgspec.structs.replace(wanted, after=(page[-1].at, page[-1].id))


def is_unread(letter: DeadLetter) -> bool:
    """Say whether a letter has no more of its entry than the record's id."""
    return bool(letter.entry) and all(name == b"id" for name, _ in letter.fields)


def retry(settings: Settings, store: Store, letters: Iterable[DeadLetter]) -> RetryResult:
    """Store the records of open letters; raises what the store raises, and is safe to repeat.

    Redis is asked for those that are unread, and for no others.
    """
    total = RetryResult()
    by_stream: defaultdict[str, list[tuple[DeadLetter, Entry]]] = defaultdict(list)
    client = connect(settings)
    try:
        for letter in letters:
            if is_unread(letter):
                at = StreamID.parse(letter.entry)
                entry = payloads(client, letter.stream, [at]).get(at)
                if entry is None or not _is_of(letter, entry):
                    total.gone += 1
                else:
                    _retry(store, letter.stream, [(letter, entry)], total)
                continue
            waiting = by_stream[letter.stream]
            waiting.append((letter, _entry(letter)))
            if len(waiting) == BATCH:
                _retry(store, letter.stream, waiting, total)
                waiting.clear()
    finally:
        close(client)
    for stream, rest in by_stream.items():
        if rest:
            _retry(store, stream, rest, total)
    return total


def _is_of(letter: DeadLetter, entry: Entry) -> bool:
    """Say whether an entry is a letter's; in a stream that was made again it may be another."""
    known = dict(letter.fields).get(b"id")
    return known is None or (given_id(entry) or b"").startswith(known)


def _retry(
    store: Store, stream: str, letters: list[tuple[DeadLetter, Entry]], total: RetryResult
) -> None:
    window = store.window()
    decoder = Decoder(stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds)
    rows: list[LogRow] = []
    rejects: list[Reject] = []
    retried: list[Retried] = []
    for letter, entry in letters:
        decoded = decoder.decode(entry, letter.deliveries)
        source = Source(letter.entry, entry.raw, letter.deliveries)
        decoded = msgspec.structs.replace(decoded, source=source)
        retried.append(Retried(bytes.fromhex(letter.id.replace("-", "")), decoded.id))
        if isinstance(decoded, LogRow):
            rows.append(decoded)
        else:
            rejects.append(decoded)
    batch = Batch(
        stream=stream,
        rows=tuple(rows),
        rejects=tuple(rejects),
        dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
        maybe_known=True,
        retried=tuple(retried),
    )
    try:
        result = store.write(batch)
    except Unclassified as exc:
        if len(letters) > 1:
            middle = len(letters) // 2
            _retry(store, stream, letters[:middle], total)
            _retry(store, stream, letters[middle:], total)
            return
        if not rows:
            raise
        # a store that takes this one is not away: the record is to blame
        result = store.write(refused(batch, exc, f"refused again: {exc.said}"))
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
    return Entry(at, tuple(chain.from_iterable(letter.fields)))


def as_document(letter: DeadLetter) -> dict[str, object]:
    """Return a letter for programs; bytes that are no UTF-8 stand there as {"base64": …}."""
    return {
        **{name: getattr(letter, name) for name in letter.__struct_fields__ if name != "fields"},
        "producer": None if letter.producer is None else f"{letter.producer:010x}",
        "fields": [[as_text(name), as_text(value)] for name, value in letter.fields],
    }


def as_text(raw: bytes) -> str | dict[str, str]:
    """Return bytes as text where that can be undone, else in base64."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}
