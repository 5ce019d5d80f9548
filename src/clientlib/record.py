"""The wire format's record: levels, limits, and the road for callers that must deliver.

A program's logger prepares records in batches in its sender (framing.py); whoever is asked to
deliver one (`logger_log`, `emit`, `ingest`) makes it here. Both follow the same rules, and the
golden vectors in tests/vectors hold them to it.
"""

from __future__ import annotations

import datetime
import enum
import time
from collections.abc import Mapping

import msgspec

from clientlib.cleaning import as_object, clean_data, clean_text, data_text
from clientlib.errors import RecordError
from clientlib.identity import MAX_MS, Producer, parse_record_id, record_id
from clientlib.pattern import Pattern
from clientlib.plain import MAX_DATA_BYTES, MAX_DEPTH, Notes, text_of, utf8_size
from clientlib.redaction import STANDARD, Redactor

__all__ = [
    "MAX_COMPONENT_CHARS",
    "MAX_DATA_BYTES",
    "MAX_DEPTH",
    "MAX_MESSAGE_BYTES",
    "MAX_TRACE_CHARS",
    "Level",
    "LogRecord",
    "clean_data",
    "clean_text",
    "make_record",
    "normal_trace_id",
    "parse_level",
    "parse_record_id",
    "record_id",
]

MAX_COMPONENT_CHARS = 128
MAX_MESSAGE_BYTES = 65_536
MAX_TRACE_CHARS = 128

_UUID_TEXT = Pattern(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


class Level(enum.IntEnum):
    """How much a record matters, in stdlib logging's numbers."""

    TRACE = 5
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40


_LEVELS: dict[str, tuple[Level, str | None]] = {
    **{level.name: (level, None) for level in Level},
    "WARNING": (Level.WARN, None),
    "CRITICAL": (Level.ERROR, "CRITICAL"),
    "FATAL": (Level.ERROR, "FATAL"),
}


class LogRecord(msgspec.Struct, frozen=True):
    """One record, clean and within limits: what one stream entry carries.

    `created_at` is RFC 3339 UTC with microseconds and `Z`; `data` is the text of one JSON object.
    """

    id: str
    created_at: str
    component: str
    level: str
    message: str
    trace_id: str | None = None
    data: bytes | None = None

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return the entry's fields in wire order; optional ones only when they say something."""
        found = [
            (b"id", self.id.encode()),
            (b"created_at", self.created_at.encode()),
            (b"component", self.component.encode()),
            (b"level", self.level.encode()),
            (b"message", self.message.encode()),
        ]
        if self.trace_id is not None:
            found.append((b"trace_id", self.trace_id.encode()))
        if self.data is not None:
            found.append((b"data", self.data))
        return found

    def size(self) -> int:
        """Return the bytes of all names and values: what the entry costs, without overhead."""
        return sum(len(name) + len(value) for name, value in self.fields())


def parse_level(text: str) -> tuple[Level, str | None]:
    """Return the level, and the original when it was an alias that says more (CRITICAL, FATAL).

    Raises RecordError for anything else, naming what is allowed.
    """
    try:
        return _LEVELS[text.strip().upper()]
    except (KeyError, AttributeError):
        raise RecordError(
            f"level {str(text)[:40]!r} is unknown: allowed are {', '.join(Level.__members__)}"
        ) from None


def make_record(
    component: str | None,
    level: str | Level,
    message: object,
    data: object = None,
    trace_id: str | None = None,
    *,
    created_at: str | datetime.datetime | None = None,
    id: str | None = None,  # the field's name on the wire
    producer: Producer,
    redactor: Redactor | None = None,
) -> LogRecord:
    """Return a record that is redacted, cleaned and within limits, with its id.

    For callers that must deliver and report: about 10 µs. `redactor` defaults to the standard one.
    Raises RecordError for a missing component or message, an unknown level, a `created_at` or `id`
    that is none; what is merely too long or unclean is put right and named in `data.godot`.
    """
    if not component or not str(component).strip():
        raise RecordError("component is missing: allowed are 1 to 128 characters")
    if message is None:
        raise RecordError("message is missing: a text is required, up to 64 KiB are kept")
    redactor = STANDARD if redactor is None else redactor
    known, original = parse_level(level) if isinstance(level, str) else (Level(level), None)
    notes = Notes({"level": original} if original else None)
    micros = _micros_of(created_at)
    text = redactor.text(text_of(message)[: 2 * MAX_MESSAGE_BYTES])
    if type(message) is str and len(message) > 2 * MAX_MESSAGE_BYTES:
        notes.truncated["message"] = utf8_size(message)
    return LogRecord(
        id=_id_text(id, micros, producer),
        created_at=timestamp(micros),
        component=_within_chars("component", str(component), MAX_COMPONENT_CHARS, notes),
        level=known.name,
        message=notes.text("message", text, MAX_MESSAGE_BYTES),
        trace_id=trace_id_text(trace_id, notes),
        data=_data_text(data, notes, redactor),
    )


def normal_trace_id(text: str) -> str:
    """Return a UUID or 32-hex id in lower case with hyphens, anything else cut to 128 characters.

    One trace must not be stored under two spellings: traceparent carries 32 hex digits.
    """
    if len(text) in (32, 36) and _UUID_TEXT.fullmatch(text):
        digits = text.replace("-", "").lower()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return text[:MAX_TRACE_CHARS]


def timestamp(micros: int) -> str:
    """Return microseconds since 1970 as RFC 3339 UTC."""
    return (_EPOCH + micros * _MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def _micros_of(created_at: str | datetime.datetime | None) -> int:
    if created_at is None:
        return time.time_ns() // 1_000
    if isinstance(created_at, str):
        created_at = _parsed(created_at)
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=datetime.UTC)
    return (created_at - _EPOCH) // _MICROSECOND


def _parsed(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise RecordError(
            f"created_at {text[:40]!r} is no RFC 3339 time such as 2026-11-22T10:00:00Z"
        ) from None


def _id_text(given: str | None, micros: int, producer: Producer) -> str:
    if given is not None:
        if not _UUID_TEXT.fullmatch(given.strip()):
            raise RecordError(f"id {given[:40]!r} is no UUID")
        return normal_trace_id(given.strip())
    number, sequence = producer.claim()
    return record_id(min(max(micros // 1_000, 0), MAX_MS), sequence, number)


def _within_chars(field: str, value: str, max_chars: int, notes: Notes) -> str:
    if len(value) > max_chars:
        notes.truncated[field] = utf8_size(value)
    return notes.text(field, value[:max_chars], 4 * max_chars)


def trace_id_text(value: object, notes: Notes) -> str | None:
    """Return a trace id as it is stored, or None where there is none."""
    text = "" if value is None else text_of(value).strip()
    if not text:
        return None
    return normal_trace_id(_within_chars("trace_id", text, MAX_TRACE_CHARS, notes))


def _data_text(data: object, notes: Notes, redactor: Redactor) -> bytes | None:
    value: Mapping[str, object] = {} if data is None else as_object(data)
    text = data_text(value, notes, redactor)
    return None if text == b"{}" else text
