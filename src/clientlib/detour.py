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
from clientlib.plain import Notes, foreign, is_finite, plain, text_of, utf8_size
from clientlib.record import MAX_MESSAGE_BYTES

MAX_MESSAGE_CHARS = 2 * MAX_MESSAGE_BYTES  # what is kept for the sender to redact and then cut

encode = msgspec.json.Encoder(enc_hook=foreign).encode


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

    `payload` is `data` as the fast encoder has it; `now_ns` 0 is now. May raise what a hostile
    message raises.
    """
    if b"null" in payload and not is_finite(data):
        put_hostile(intake, source, level, message, data, trace_id, now_ns, notes)
        return
    text = message if type(message) is str else text_of(message)
    if len(text) > MAX_MESSAGE_CHARS:
        notes = notes or Notes()
        notes.truncated["message"] = utf8_size(text)
        text = text[:MAX_MESSAGE_CHARS]
    if len(payload) > MAX_PAYLOAD_BYTES:
        notes = notes or Notes()
        payload = payload_within(data, payload, notes)
    snapshot: Snapshot = (
        *(level, now_ns or time.time_ns(), source, current.get()),
        *(trace_id, text, payload, notes),
    )
    intake.put(snapshot, len(text) + len(payload))
    if intake.idle:
        intake.wake()


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
        put_carefully(
            *(intake, source, level, message, value, encode(value), trace_id, now_ns),
            notes if notes or notes.lost_bytes else None,
        )
    except Exception:  # noqa: BLE001  # counted, and named by number in a receipt
        intake.refuse(UNREADABLE)
