"""The JSON inside an entry: taken as it is when it is clean, read leniently when it is not.

The strict parser answers for nearly every record in about a microsecond. What it refuses a person
would often still read (NaN, bad UTF-8, numbers of any length, nesting without end), so that goes
the client's slow road, by the same rules, before anything is rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from clientlib import (
    MAX_DATA_BYTES,
    MAX_DEPTH,
    Notes,
    RecordError,
    clean_data,
    data_text,
    parse_data,
)

_ZEROS = bytes(48 if 48 <= i < 58 else i for i in range(256))
_LONG_NUMBER = "0" * 19  # whatever has fewer digits fits into 64 bits
decode_object = msgspec.json.Decoder(dict[str, Any]).decode


_LARGE = re.compile(r"[:\[,\s]-?0+(?:\.0+)?[eE]\+?000").search  # 1e308 and more, digits as zeros


class _Object(msgspec.Struct, gc=False):
    """Some JSON object: its members are parsed, and nothing is made of them."""


_decode_lines = msgspec.json.Decoder(_Object).decode_lines


def stored_text(raw: bytes | None, notes: Notes) -> bytes | None:
    """Return the text of the `data` column, with the notes in it; None when there is neither.

    Raises RecordError for what is not JSON at all.
    """
    if not raw:
        return data_text({}, notes) if notes else None
    clean = read_clean(raw)
    if clean is not None and not notes:
        return raw
    found = parse_data(raw, notes) if clean is None else clean
    return data_text(found, notes, keep_godot=True)


def read_clean(raw: bytes) -> dict[str, Any] | None:
    """Return the object when its text can be stored as it is, None when it needs cleaning."""
    if len(raw) > MAX_DATA_BYTES:
        return None
    if len(raw) > MAX_DEPTH and raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return None
    try:  # in text, because bytes are searched at a third of the speed
        text = raw.decode()
        if "\\u0000" in text or _LONG_NUMBER in raw.translate(_ZEROS).decode("latin-1"):
            return None
        return decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def all_clean(column: Sequence[bytes]) -> bool:
    """Say whether `read_clean` would give an object for each, without making one.

    False also for some white space that it allows and our clients do not write.
    """
    raw = b"\n".join(column)
    breaks = len(column) - 1
    if raw.count(b"\n") != breaks or raw.count(b"}\n{") != breaks:
        return False  # from here on no object reaches into the next line
    if max(map(len, column)) > MAX_DATA_BYTES or any(
        one.count(b"{") + one.count(b"[") > MAX_DEPTH for one in column if len(one) > MAX_DEPTH
    ):
        return False
    try:
        text = raw.decode()
        zeros = raw.translate(_ZEROS).decode("latin-1")
        if "\\u0000" in text or _LONG_NUMBER in zeros:
            return False
        if ("e000" in zeros or "E000" in zeros or "+000" in zeros) and _LARGE(zeros):
            return False  # skipped over, a number that no float holds would not be noticed
        return len(_decode_lines(text)) == len(column)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def unpacked(raw: bytes, notes: Notes) -> dict[bytes, bytes]:
    """Turn a record given as one JSON object into the fields it would have had.

    Raises RecordError when it is none.
    """
    try:
        record = parse_data(raw, notes)
    except RecordError as exc:
        raise RecordError(str(exc).replace("data is", "json is", 1)) from exc
    fields = {}
    for name, value in record.items():
        if value is None:
            continue
        if isinstance(value, str) and name != "data":
            text = notes.text(name, value, 4 * len(value))  # cleaned as it is, cut later
        else:
            text = _as_json(value, notes)
        fields[name.encode("utf-8", "replace")] = text.encode()
    return fields


def _as_json(value: object, notes: Notes) -> str:
    """Return the text of a value; one that can be read may be nested too deeply to be written."""
    try:
        return json.dumps(value)
    except RecursionError:
        found = decode_object(clean_data({"data": value}))
        notes.add(found["godot"])
        return json.dumps(found.get("data"))
