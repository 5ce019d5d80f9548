"""The careful ways into the queue: for what the quick one of `logger.py` does not take.

Large, not text, perhaps NaN, or while the queue is half full: still in the caller's thread, because
an object may be gone or changed later. What the fast encoder refuses or would change in silence
(NaN, cycles, lone surrogates) is walked value by value. A few microseconds to milliseconds.
"""

from __future__ import annotations

import time

import msgspec

from clientlib.buffer import UNREADABLE, Intake
from clientlib.cleaning import MAX_PAYLOAD_BYTES, as_object, payload_within
from clientlib.context import current
from clientlib.framing import Snapshot, Source
from clientlib.pattern import holds
from clientlib.plain import Notes, is_finite, plain, text_of, utf8_size
from clientlib.record import MAX_MESSAGE_BYTES

MAX_MESSAGE_CHARS = 2 * MAX_MESSAGE_BYTES  # what is kept for the sender to redact and then cut

# No hook for what it does not know: a hook is Python, which lets other threads run, and asks the
# program's own objects. When either changes a list that is being encoded, msgspec 0.22 crashes.
encode = msgspec.json.Encoder().encode


def put_carefully(
    intake: Intake,
    source: Source,
    level: int,
    message: object,
    data: object,
    payload: bytes,
    trace_id: object,
    now_ns: int = 0,
    notes: Notes | None = None,
) -> None:
    """Take what is large, not text, may hold NaN, or comes when the queue is half full.

    `payload` is `data` as the fast encoder has it; `now_ns` 0 is now. Raises nothing.
    """
    try:
        if not holds(payload, b"null") or is_finite(data):
            snapshot = _snapshot(source, level, message, data, payload, trace_id, now_ns, notes)
        else:
            snapshot = None
    except Exception:  # noqa: BLE001  # no memory for a second copy of megabytes
        snapshot = None
    if snapshot is None:
        put_hostile(intake, source, level, message, data, trace_id, now_ns, notes)
    else:
        _put(intake, snapshot)


def put_hostile(
    intake: Intake,
    source: Source,
    level: int,
    message: object,
    data: object,
    trace_id: object,
    now_ns: int = 0,
    notes: Notes | None = None,
) -> None:
    """Take what the fast encoder refuses or would change in silence. Raises nothing."""
    try:
        notes = notes or Notes()
        value = {} if data is None else plain(as_object(data), notes)
        payload = encode(value)
        kept = notes if notes or notes.lost_bytes else None
        snapshot = _snapshot(source, level, message, value, payload, trace_id, now_ns, kept)
    except Exception:  # noqa: BLE001  # counted, and named by number in a receipt
        intake.refuse(UNREADABLE)
        return
    _put(intake, snapshot)


def _snapshot(
    source: Source,
    level: int,
    message: object,
    data: object,
    payload: bytes,
    trace_id: object,
    now_ns: int,
    notes: Notes | None,
) -> Snapshot:
    text = message if type(message) is str else text_of(message)
    if len(text) > MAX_MESSAGE_CHARS:
        notes = notes or Notes()
        notes.truncated["message"] = utf8_size(text)
        text = text[:MAX_MESSAGE_CHARS]
    if len(payload) > MAX_PAYLOAD_BYTES:
        notes = notes or Notes()
        payload = payload_within(data, payload, notes)
    trace = None if trace_id is None else text_of(trace_id)
    return level, now_ns or time.time_ns(), source, current.get(), trace, text, payload, notes


def _put(intake: Intake, snapshot: Snapshot) -> None:
    intake.put(snapshot, len(snapshot[5]) + len(snapshot[6]))
    if intake.idle:
        intake.wake()
