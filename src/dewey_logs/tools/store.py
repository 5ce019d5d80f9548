"""Storing records that come as tool arguments: all of a call in one transaction.

The sender is told what became of each record, so nothing is mended that he can mend himself: a
record with an unknown key, no component or an unknown level is refused by its index and its
neighbours are stored. Only what text or a number may not hold is replaced and what is too long is
cut, both named in `data.godot`, as everywhere.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import anyio
import anyio.to_thread
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.dialogue import DELIVER, WRITE
from dewey_logs.rows import Batch, LogRow, Source, Window, WriteResult
from dewey_logs.tools.answer import answer, one_line
from dewey_logs.tools.kinds import WRITES
from dewey_logs.tools.programs import deliver
from dewey_logs.tools.strict import StrictServer

MAX_RECORDS = 1_000
MAX_COMPONENT_CHARS = 128
MAX_TRACE_CHARS = 128
MAX_MESSAGE_BYTES = 65_536
MAX_DATA_BYTES = 262_144
MAX_DEPTH = 32
KEYS = ("component", "level", "message", "trace_id", "data", "created_at", "id")
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
ALIASES = {"WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}
SENDER = "dewey_store_logs_batch"  # stands where a stream's name would
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Write = Callable[[Batch], Awaitable[WriteResult]]
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_TRACE = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
)


class Refused(Exception):
    """Why a record cannot be stored as it was given."""


def offer_store(
    server: StrictServer, name: str, write: Write, window: Callable[[], Awaitable[Window]]
) -> None:
    """Add the batch tool under `name`."""

    async def store_batch(
        logs: Annotated[
            list[Any],
            Field(
                description=(
                    "1 to 1000 objects {component, level, message, trace_id?, data?, created_at?,"
                    " id?}; id: a UUID, records with equal ids are one"
                )
            ),
        ],
        delivery: Annotated[
            dict[str, Any] | None, Field(description="for workers of Godot's: leave it out")
        ] = None,
    ) -> CallToolResult:
        """Store up to 1,000 log records in one transaction.

        Use it to ship logs in bulk. Not for a single record: logger_log of the Godot server waits
        for the stream and redacts. Answers how many were stored or known already, and each refused
        record by its index: fix it and send it again; one that only the database refused is a
        dead letter. Repeating a call is safe only with an id and created_at in every record.
        """
        if len(logs) > MAX_RECORDS:
            raise ToolError(f"logs has {len(logs)} records: allowed are {MAX_RECORDS}, split them")
        if delivery is not None:
            return await deliver(logs, delivery, write)
        return answer(await store(logs, write, await window()))

    server.offer(store_batch, name, WRITES, scopes=(WRITE, DELIVER))


class _Read(NamedTuple):
    """What a call's records became: rows, the index of each, and what is refused."""

    rows: list[LogRow]
    index_of: dict[bytes, int]
    rejected: list[dict[str, Any]]
    known: bool  # whether any was sent with an id, and so perhaps before


async def store(logs: Sequence[Any], write: Write, window: Window) -> dict[str, Any]:
    """Store what can be stored; return the counts and the refused.

    Records are read on a thread: megabytes of them would hold everybody else's calls for long.
    """
    read = await anyio.to_thread.run_sync(_read, logs, window)
    result = WriteResult(stored=0)
    if read.rows:
        result = await write(Batch(stream=SENDER, rows=tuple(read.rows), maybe_known=read.known))
    refused = [
        {"index": read.index_of[reject.id], "reason": one_line(reject.reason, 200)}
        for reject in result.rejects
        if reject.id in read.index_of
    ]
    return {
        "stored": result.stored,
        "duplicates": result.duplicates,
        "expired": result.expired,
        "rejected": sorted([*read.rejected, *refused], key=lambda item: int(item["index"])),
    }


def _read(logs: Sequence[Any], window: Window) -> _Read:
    now = datetime.now(UTC)
    read = _Read([], {}, [], known=any(isinstance(one, dict) and one.get("id") for one in logs))
    for index, given in enumerate(logs):
        try:
            row = row_of(given, now, window)
        except Refused as exc:
            read.rejected.append({"index": index, "reason": one_line(str(exc), 200)})
            continue
        read.rows.append(row)
        read.index_of.setdefault(row.id, index)
    return read


def row_of(given: Any, now: datetime, window: Window) -> LogRow:
    """Return the row of one record; raise Refused with what to change."""
    if not isinstance(given, dict):
        raise Refused("is not an object")
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        raise Refused(f"unknown key {str(unknown[0])[:64]!r}; valid: {', '.join(KEYS)}")
    notes: dict[str, Any] = {}
    level = _level(given, notes)
    message = _message(given, notes)
    component = _short(given, "component", MAX_COMPONENT_CHARS, notes)
    if component is None or not component.strip():
        raise Refused("component is missing")
    trace_id = _short(given, "trace_id", MAX_TRACE_CHARS, notes)
    if trace_id and _TRACE.fullmatch(trace_id):
        trace_id = str(uuid.UUID(trace_id))
    record_id = _id(given)
    created_at, moved = _created_at(given, record_id, now, window, notes)
    return LogRow(
        id=record_id.bytes,
        created_at_us=(created_at - EPOCH) // timedelta(microseconds=1),
        component=component,
        level=level,
        message=message,
        trace_id=trace_id or None,
        data=_data(given, notes),
        producer=None,
        sequence=None,
        source=Source("", _raw(given)),
        moved=moved,
    )


def _text(value: str, notes: dict[str, Any]) -> str:
    text, replaced = _NOT_TEXT.subn("\ufffd", value)
    if replaced:
        _note_cleaned(notes, "characters")
    return text


def _note_cleaned(notes: dict[str, Any], what: str) -> None:
    notes["cleaned"] = sorted({*notes.get("cleaned", ()), what})


def _short(given: Mapping[str, Any], key: str, max_chars: int, notes: dict[str, Any]) -> str | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"{key} is not a string")
    if len(value) > max_chars:
        raise Refused(f"{key} has {len(value)} characters: allowed are {max_chars}")
    return _text(value, notes)


def _level(given: Mapping[str, Any], notes: dict[str, Any]) -> str:
    value = given.get("level")
    if value is None:
        raise Refused(f"level is missing; valid: {', '.join(LEVELS)}")
    name = value.strip().upper() if isinstance(value, str) else ""
    if name in LEVELS:
        return name
    if name not in ALIASES:
        raise Refused(f"unknown level {str(value)[:32]!r}; valid: {', '.join(LEVELS)}")
    if name != "WARNING":
        notes["level"] = name
    return ALIASES[name]


def _message(given: Mapping[str, Any], notes: dict[str, Any]) -> str:
    value = given.get("message")
    if value is None:
        raise Refused("message is missing")
    if not isinstance(value, str):
        raise Refused("message is not a string")
    text = _text(value, notes)
    encoded = text.encode()
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return text
    notes["truncated"] = {"message": len(encoded)}
    return encoded[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")


def _created_at(
    given: Mapping[str, Any],
    record_id: uuid.UUID,
    now: datetime,
    window: Window,
    notes: dict[str, Any],
) -> tuple[datetime, bool]:
    """Return when a record was made: as it says, else the time inside its id, else now.

    An id with a time in it makes a repeated record the same one, since time and id are its key.
    """
    value = given.get("created_at")
    if value is None:
        if "id" in given and record_id.version in (7, 8):
            inside = EPOCH + timedelta(milliseconds=record_id.int >> 80)
            if _accepted(inside, now, window):
                return inside, False
        return now, False
    try:
        claimed = datetime.fromisoformat(value)
        if claimed.tzinfo is None:
            raise ValueError(value)
        claimed = claimed.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Refused("created_at is not RFC 3339 with a zone, as 2026-11-22T13:00:01Z") from None
    if _accepted(claimed, now, window):
        return claimed, False
    notes["created_at"] = value
    return now, True


def _accepted(claimed: datetime, now: datetime, window: Window) -> bool:
    return -window.ahead_seconds <= (now - claimed).total_seconds() <= window.back_seconds


def _id(given: Mapping[str, Any]) -> uuid.UUID:
    value = given.get("id")
    if value is None:
        return uuid.uuid4()
    try:
        return uuid.UUID(value)
    except (TypeError, ValueError, AttributeError):
        raise Refused("id is not a UUID") from None


def _data(given: Mapping[str, Any], notes: dict[str, Any]) -> bytes | None:
    value = given.get("data")
    if value is None and not notes:
        return None
    if value is not None and not isinstance(value, dict):
        raise Refused("data is not an object")
    clean = _clean(value or {}, 0, notes)
    assert isinstance(clean, dict)
    if "godot" in clean:
        clean["godot_"] = clean.pop("godot")
    if notes:
        clean["godot"] = notes
    encoded = json.dumps(clean, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > MAX_DATA_BYTES:
        raise Refused(f"data has {len(encoded)} bytes: allowed are {MAX_DATA_BYTES}")
    return encoded


def _clean(value: Any, depth: int, notes: dict[str, Any]) -> Any:
    """Return a value that jsonb can hold: text without NUL, 64-bit integers, finite numbers.

    What had to be changed for that is named in the notes.
    """
    if isinstance(value, str):
        return _text(value, notes)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        if -(2**63) <= value < 2**64 if isinstance(value, int) else math.isfinite(value):
            return value
        _note_cleaned(notes, "numbers")
        return str(value)
    if depth >= MAX_DEPTH:
        raise Refused(f"data is nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        return {
            _text(str(key), notes): _clean(item, depth + 1, notes) for key, item in value.items()
        }
    return [_clean(item, depth + 1, notes) for item in value]


def _raw(given: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the record as given, for the dead letter it may become."""
    return b"json", json.dumps(given, default=str).encode()
