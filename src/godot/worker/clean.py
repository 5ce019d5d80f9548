"""The short way of an entry that needs no care: a record as our clients send it, in wire order.

That is nearly every one, and what decoding costs is most of what a worker's Python does. Whatever
differs in anything goes the long way (decode.py), which would give the same row for these.
"""

from __future__ import annotations

import re
from binascii import Error, unhexlify
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product

from clientlib import MAX_COMPONENT_CHARS, MAX_MESSAGE_BYTES, read_record_id
from dewey_logs import LogRow, Source
from godot.stream.replies import Entry
from godot.worker.payload import read_clean

LEVELS = {name.encode(): name for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_ALWAYS = (b"id", b"created_at", b"component", b"level", b"message")
# the names of an entry → where its trace id and its data stand, 0 for nowhere
_PLACES = {
    (*_ALWAYS, *(b"trace_id",) * trace, *(b"data",) * data): (
        11 * trace,
        (11 + 2 * trace) * data,
    )
    for trace, data in product((0, 1), repeat=2)
}
_trace_id = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def clean_row(entry: Entry, deliveries: int, back_us: int, ahead_us: int) -> LogRow | None:
    """Return the row of an entry of ours, None for one that has to go the long way.

    `back_us` and `ahead_us` are the accepted window around the entry's time.
    """
    raw = entry.raw
    places = _PLACES.get(tuple(raw[::2]))
    if places is None:
        return None
    id_text, time_text, component_text, level_text, message_text = raw[1:10:2]
    micros_text = time_text[20:26]
    if len(time_text) != 27 or time_text[26] != 90 or not micros_text.isdigit():  # 90: Z
        return None
    try:
        id = unhexlify(id_text.replace(b"-", b""))
        ours = read_record_id(id) if len(id) == 16 else None
        created_at_us = _second_us(time_text[:20]) + int(micros_text)
        message = message_text.decode()
    except (Error, ValueError):
        return None
    component = _component(component_text)
    level = LEVELS.get(level_text)
    entry_id = entry.id
    entry_us = entry_id[0] * 1000
    if (
        ours is None
        or component is None
        or level is None
        or len(message_text) > MAX_MESSAGE_BYTES
        or "\0" in message
        or not entry_us - back_us <= created_at_us <= entry_us + ahead_us
    ):
        return None
    trace_id = data = None
    trace_at, data_at = places
    if trace_at:
        trace_text = raw[trace_at]
        if not _trace_id(trace_text):
            return None
        trace_id = trace_text.decode("ascii")
    if data_at:
        data = raw[data_at]
        if read_clean(data) is None:
            return None
    _, sequence, producer = ours
    return LogRow(
        id,
        created_at_us,
        component,
        level,
        message,
        trace_id,
        data,
        producer,
        sequence,
        Source("%d-%d" % entry_id, raw, deliveries),  # noqa: UP031  # faster than by its name
    )


@lru_cache(1024)
def _second_us(text: bytes) -> int:
    """Return a time up to its seconds' point; raises ValueError for any other form."""
    moment = datetime.strptime(text.decode("ascii"), "%Y-%m-%dT%H:%M:%S.")
    return (moment.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


@lru_cache(4096)
def _component(raw: bytes) -> str | None:
    """Return a name that services repeat in every record, None for one that needs care."""
    plain = 0 < len(raw) <= MAX_COMPONENT_CHARS and raw.isascii() and b"\0" not in raw
    return raw.decode("ascii") if plain and not raw.isspace() else None
