"""From a stream entry to a row, or to a reject with a reason that a person understands.

Anyone may XADD, so nothing is trusted; but nearly everything comes from our own clients, is clean
already and goes the short way (clean.py). What was cut or changed is named in `data.godot`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from clientlib import (
    MAX_COMPONENT_CHARS,
    MAX_MESSAGE_BYTES,
    MAX_TRACE_CHARS,
    Notes,
    RecordError,
    normal_trace_id,
    parse_level,
)
from dewey_logs import Dropped, LogRow, Reject, Source
from godot.identity import Identity, given_id, read_identity, record_fields
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.clean import EPOCH, LEVELS, MICROSECOND, clean_rows
from godot.worker.payload import decode_object, stored_text

WIRE_VERSION = b"1"
KNOWN = frozenset(
    (b"id", b"created_at", b"component", b"level", b"message", b"trace_id", b"data", b"v")
)
MAX_SEQUENCE = 2**36 - 1
DERIVED = uuid.UUID("676f646f-742d-8c6f-a773-64657269766d").bytes  # namespace of derived ids


class Decoder:
    """Turns the entries of one stream into rows.

    `back_s` and `ahead_s` are the accepted window around an entry's own time: a record that claims
    a time outside of it is stored at the entry's time, with its own kept in `data.godot`.
    """

    def __init__(self, stream: str, *, back_s: int, ahead_s: int) -> None:
        self._stream = stream.encode()
        self._back_us = back_s * 1_000_000
        self._ahead_us = ahead_s * 1_000_000

    def decode(self, entry: Entry, deliveries: int = 1) -> LogRow | Reject:
        """Return the row or the reject of an entry with a payload; its content never raises."""
        return self.decode_all([entry], [deliveries])[0]

    def decode_all(
        self, entries: Sequence[Entry], deliveries: Sequence[int]
    ) -> list[LogRow | Reject]:
        """Return what each entry becomes, given how often it was delivered; see `decode`."""
        rows = clean_rows(entries, deliveries, self._back_us, self._ahead_us)
        return [
            row or self._with_care(entry, times)
            for row, entry, times in zip(rows, entries, deliveries, strict=True)
        ]

    def _with_care(self, entry: Entry, deliveries: int) -> LogRow | Reject:
        source = Source(str(entry.id), entry.raw, deliveries)
        notes = Notes()
        who = None
        try:
            fields = record_fields(entry, notes)
            who = self._identity(entry, fields.get(b"id"), notes)
            return self._row(entry.id, fields, source, who, notes)
        except RecordError as exc:
            who = who or self._identity(entry, None, notes)
            return Reject(who.id, str(exc), source, None, who.producer, who.sequence)

    def reject(self, entry: Entry, reason: str, deliveries: int) -> Reject:
        """Return a dead letter for an entry without looking at more of it than its id."""
        who = self._identity(entry, given_id(entry), Notes())
        source = Source(str(entry.id), entry.raw, deliveries)
        return Reject(who.id, reason, source, None, who.producer, who.sequence)

    def _identity(self, entry: Entry, raw: bytes | None, notes: Notes) -> Identity:
        """Read the id; where there is none, derive one, so that a redelivery is the same record.

        The raw fields are part of it: an entry's id can come again after the stream was deleted.
        """
        if raw is not None:
            given = read_identity(raw)
            if given is not None:
                return given
            notes.extra["id"] = shown(raw)
        digest = hashlib.sha1(DERIVED, usedforsecurity=False)
        for part in (self._stream, str(entry.id).encode(), *entry.raw):
            digest.update(b"%d:%b" % (len(part), part))
        return Identity(uuid.UUID(bytes=digest.digest()[:16], version=5).bytes)

    def _row(
        self,
        entry_id: StreamID,
        fields: Mapping[bytes, bytes],
        source: Source,
        who: Identity,
        notes: Notes,
    ) -> LogRow:
        version = fields.get(b"v", WIRE_VERSION)
        if version != WIRE_VERSION:
            raise RecordError(f"unknown wire format version {shown(version)}, this worker reads 1")
        component = _component(fields.get(b"component"), notes)
        level = _level(fields.get(b"level"), notes)
        message = _message(fields.get(b"message"), notes)
        trace_id = _trace_id(fields.get(b"trace_id"), notes)
        created_at_us, moved = self._created_at(entry_id, fields.get(b"created_at"), who, notes)
        if not KNOWN.issuperset(fields):
            notes.extra["fields"] = {
                shown(name): notes.text(shown(name), value, MAX_MESSAGE_BYTES)
                for name, value in fields.items()
                if name not in KNOWN
            }
        return LogRow(
            who.id,
            created_at_us,
            component,
            level,
            message,
            trace_id,
            stored_text(fields.get(b"data"), notes),
            who.producer,
            who.sequence,
            source,
            moved,
        )

    def _created_at(
        self, entry_id: StreamID, raw: bytes | None, who: Identity, notes: Notes
    ) -> tuple[int, bool]:
        entry_us = entry_id.ms * 1000
        claimed_us = entry_us if who.ours is None else who.ours.ms * 1000
        by_id = who.foreign
        if raw is not None:
            try:
                claimed_us = _microseconds(raw)
                by_id = False
            except (ValueError, OverflowError):
                notes.extra["created_at"] = shown(raw)
                by_id = who.given
        # without a time of its own a record resent may get another: only its id makes it one row
        if entry_us - self._back_us <= claimed_us <= entry_us + self._ahead_us:
            return claimed_us, by_id
        notes.extra["created_at"] = shown(raw) if raw is not None else claimed_us // 1000
        return entry_us, True


def receipt(row: LogRow) -> Dropped | None:
    """Return what a drop receipt says, None for any other record.

    Anyone may write one: it is believed if it counts what it names. Whose numbers they are its id
    says, and nobody else's.
    """
    if row.producer is None or row.data is None or row.data.find(b'"ranges"') < 0:
        return None
    said = decode_object(row.data).get("godot")
    ranges = said.get("ranges") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(ranges, list):
        return None
    good = tuple(
        (item[0], item[1])
        for item in ranges
        if isinstance(item, list)
        and len(item) == 2
        and all(type(n) is int for n in item)
        and 1 <= item[0] <= item[1] <= MAX_SEQUENCE
    )
    named = sum(last - first + 1 for first, last in good)
    if not good or len(good) < len(ranges) or said.get("dropped") != named:
        return None
    return Dropped(row.producer, good)


def _component(raw: bytes | None, notes: Notes) -> str:
    if not raw or raw.isspace():
        raise RecordError("component is missing")
    return _within_chars("component", raw, MAX_COMPONENT_CHARS, notes)


def _level(raw: bytes | None, notes: Notes) -> str:
    if raw is None:
        raise RecordError("level is missing")
    plain = LEVELS.get(raw)
    if plain is not None:
        return plain
    level, original = parse_level(shown(raw))
    if original is not None:
        notes.extra["level"] = original
    return level.name


def _message(raw: bytes | None, notes: Notes) -> str:
    if raw is None:
        raise RecordError("message is missing")
    if len(raw) <= MAX_MESSAGE_BYTES and b"\0" not in raw:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return notes.text("message", raw, MAX_MESSAGE_BYTES)


def _trace_id(raw: bytes | None, notes: Notes) -> str | None:
    if not raw:
        return None
    return normal_trace_id(_within_chars("trace_id", raw, MAX_TRACE_CHARS, notes))


def _within_chars(name: str, raw: bytes, max_chars: int, notes: Notes) -> str:
    if len(raw) <= max_chars and raw.isascii() and b"\0" not in raw:
        return raw.decode("ascii")
    text = notes.text(name, raw, len(raw))
    if len(text) > max_chars:
        notes.truncated[name] = len(raw)
    return text[:max_chars]


def _microseconds(raw: bytes) -> int:
    moment = datetime.fromisoformat(raw.decode("ascii"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // MICROSECOND


def shown(raw: bytes) -> str:
    """Return the beginning of raw bytes, for a reason or a note."""
    return raw[:MAX_TRACE_CHARS].decode("utf-8", "replace").replace("\0", "\ufffd")
