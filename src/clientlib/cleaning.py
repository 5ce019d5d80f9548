"""Make any value fit the wire format, and name what had to be changed.

The same rules run at both ends: here before anything is sent, and in the worker, since anyone may
XADD. A record is never refused for what is inside its message or data; it is made to fit, and
`data.godot` says how: `truncated` (original bytes by field), `omitted` (top-level keys left out)
and `cleaned` (what else was changed: characters, numbers, depth, values).

This is the slow road: about 1 µs per value. The sender takes it only for records whose encoded
bytes show that something may be wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from clientlib.errors import RecordError
from clientlib.pattern import Pattern
from clientlib.plain import (
    MAX_DATA_BYTES,
    MAX_DEPTH,
    TOO_DEEP,
    Notes,
    fields_of,
    plain,
    text_within,
)

if TYPE_CHECKING:
    from clientlib.redaction import Redactor

LONG_STRING_BYTES = 8_192  # what remains of a longer string once the data is over its limit
MAX_PAYLOAD_BYTES = 1_048_576
MAX_LENIENT_BYTES = 4_194_304  # of JSON that the strict parser refuses; what it reads is only cut
MAX_OMITTED_NAMES = 32
_NOTES_ROOM = 20_480  # bytes kept free for the names of what was left out

_encode = msgspec.json.Encoder().encode
# A string that never ends is one match up to the end, also with a lone backslash there: were each
# of its quotes tried as a beginning, 40 KB would keep a worker for seconds.
_BRACKETS = Pattern(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def clean_text(value: str | bytes, max_bytes: int) -> tuple[str, int | None]:
    """Return text that UTF-8 and PostgreSQL can hold, of at most `max_bytes` bytes.

    Invalid UTF-8, NUL and lone surrogates become U+FFFD. The second value is the original size in
    bytes when something was cut off, else None.
    """
    text, original_bytes, _ = text_within(value, max_bytes)
    return text, original_bytes


def clean_data(
    value: Mapping[str, object],
    *,
    notes: Mapping[str, object] | None = None,
    keep_godot: bool = False,
) -> bytes:
    """Return `value` as one compact JSON object within MAX_DATA_BYTES, with its notes.

    The key `godot` at the top is reserved and renamed `godot_`, unless `keep_godot` says that it
    holds a client's notes (the worker's case): then the new notes are added to them. What is over
    the limit is cut in two steps: strings longer than 8 KiB keep their first 8 KiB; if that is not
    enough, top-level keys are kept in their order as long as they fit.
    """
    return data_text(value, Notes(notes), keep_godot=keep_godot)


def data_text(
    value: Mapping[str, object],
    notes: Notes,
    redactor: Redactor | None = None,
    *,
    keep_godot: bool = False,
) -> bytes:
    """Return the text of the `data` field: made plain, redacted, cut, in this order.

    Redaction stands between: objects must be text before they can be searched, and a secret cut in
    two is not recognised any more.
    """
    known: object = None
    if keep_godot and isinstance(value.get("godot"), Mapping):
        known = value["godot"]
        value = {key: item for key, item in value.items() if key != "godot"}
    found = plain(value, notes)
    if redactor is not None:
        found = redactor.mapping(found)
    if isinstance(known, Mapping):
        notes.add(plain(known, notes))
    return fit(godot_renamed(found), notes)


def fit(value: dict[str, object], notes: Notes) -> bytes:
    """Encode a plain object with its notes, cut to the limit when it has to be."""
    text = _encode(value)
    if not notes.lost_bytes and len(text) + notes.room() <= MAX_DATA_BYTES:
        return join_notes(text, notes)
    notes.truncated.setdefault("data", len(text) + notes.lost_bytes)
    value = {key: _shortened(item) for key, item in value.items()}
    text = _encode(value)
    if len(text) + notes.room() <= MAX_DATA_BYTES:
        return join_notes(text, notes)
    return join_notes(_keys_that_fit(value, notes, MAX_DATA_BYTES), notes)


def join_notes(text: bytes, notes: Notes) -> bytes:
    """Append the notes to the text of an object, as its last key `godot`."""
    if not notes:
        return text
    comma = b"" if text == b"{}" else b","
    return b'%b%b"godot":%b}' % (text[:-1], comma, _encode(notes.as_dict()))


def parse_data(raw: bytes, notes: Notes) -> dict[str, object]:
    """Read the `data` field as anyone may have written it; what is no object becomes `value`.

    JSON with NaN, lone surrogates, invalid UTF-8, numbers beyond every type or a thousand levels is
    read and put right, up to 4 MiB: that road takes about 0.2 s per MiB and holds up every other
    record. Raises RecordError for what is not JSON at all, or wrong and larger.
    """
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        if len(raw) > MAX_LENIENT_BYTES:
            raise RecordError(
                f"data is not strict JSON and {len(raw)} bytes long: "
                f"beyond {MAX_LENIENT_BYTES} bytes it is not put right ({exc})"
            ) from exc
        value = _parse_leniently(raw, notes)
    return value if isinstance(value, dict) else {"value": value}


def _parse_leniently(raw: bytes, notes: Notes) -> object:
    import json  # seldom needed, and never for what the client itself encoded

    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\ufffd" in text:
        notes.cleaned.add("characters")
    if text.count("{") + text.count("[") > MAX_DEPTH:
        text = _cut_depth(text, notes)

    def number(literal: str) -> object:
        if len(literal) < 20 and "." not in literal and "e" not in literal.lower():
            return int(literal)
        if math.isfinite(value := float(literal)) and not literal.lstrip("-").isdigit():
            return value
        notes.cleaned.add("numbers")
        return literal

    def constant(literal: str) -> str:
        notes.cleaned.add("numbers")
        return literal

    try:
        return json.loads(
            text, parse_int=number, parse_float=number, parse_constant=constant, strict=False
        )
    except (ValueError, RecursionError) as exc:
        raise RecordError(f"data is not JSON: {exc}") from exc


def payload_within(data: object, payload: bytes, notes: Notes) -> bytes:
    """Return a smaller payload for megabytes of data, in the caller's thread, before it is queued.

    Strings keep 256 KiB here, more than will be sent: the sender redacts first and cuts to the real
    limit afterwards, so that no half secret escapes at the cut made here.
    """
    notes.truncated["data"] = len(payload)
    notes.lost_bytes = 1
    value = plain(as_object(data), notes)
    text = _encode(value)
    if len(text) <= MAX_PAYLOAD_BYTES:
        return text
    return _keys_that_fit(value, notes, MAX_PAYLOAD_BYTES)


def as_object(data: object) -> Mapping[str, object]:
    """Return data as an object: mappings and what has fields as they are, the rest as `value`."""
    try:
        if isinstance(data, Mapping):
            return data
        found = msgspec.to_builtins(data, str_keys=True)
    except Exception:  # noqa: BLE001  # it holds what msgspec does not know
        found = None
    if found is None:
        try:
            found = fields_of(data)
        except Exception:  # noqa: BLE001  # a property of the user's object may raise anything
            found = None
    return found if isinstance(found, dict) else {"value": data}


def _cut_depth(text: str, notes: Notes) -> str:
    """Replace what is nested deeper than MAX_DEPTH without recursing into it."""
    kept: list[str] = []
    depth = start = 0
    for match in _BRACKETS.finditer(text):
        found = match.group()
        if found in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[start : match.start()])
        elif found in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                notes.cleaned.add("depth")
                kept.append(f'"{TOO_DEEP}"')
                start = match.end()
    return "".join(kept) + text[start:] if depth <= MAX_DEPTH else text


def godot_renamed(value: dict[str, object]) -> dict[str, object]:
    """Return the object with a user's own key `godot` out of the way."""
    if "godot" not in value:
        return value
    name = "godot_"
    while name in value:
        name += "_"
    return {name if key == "godot" else key: item for key, item in value.items()}


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return text_within(value, LONG_STRING_BYTES)[0]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value


def _keys_that_fit(value: dict[str, object], notes: Notes, max_bytes: int) -> bytes:
    room = max_bytes - notes.room() - _NOTES_ROOM
    kept: list[bytes] = []
    for key, item in value.items():
        part = b"%b:%b" % (_encode(key), _encode(item))
        if len(part) < room:
            kept.append(part)
            room -= len(part) + 1
            continue
        if len(notes.omitted) < MAX_OMITTED_NAMES:
            notes.omitted.append(key[:128])
        notes.omitted_keys += 1
    return b"{%b}" % b",".join(kept)
