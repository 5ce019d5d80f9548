"""What one JSON-RPC message is, without judging it: the tap has to show the wrong ones most of all.

A message of up to MAX_SHOWN_BYTES is kept whole. Of a larger one only what pairs it is read, by
skipping over the rest, and its beginning is kept as text.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

MAX_SHOWN_BYTES = 200_000  # below what a record may carry, so that the client need not cut it
HEAD_CHARS = 4_096


class Form(StrEnum):
    """What JSON-RPC makes of a message by the members it has."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"
    ERROR = "error"
    OTHER = "not JSON-RPC"


class Envelope(msgspec.Struct, frozen=True):
    """The members that tell what a message is; `meta` and `name` are those of its params."""

    form: Form
    id: object = None
    method: str | None = None
    params: dict[str, object] = {}  # msgspec copies it
    shown: object = None  # the message, or its first characters

    @property
    def meta(self) -> object:
        return self.params.get("_meta")


class _Members(msgspec.Struct):
    id: object = msgspec.UNSET
    method: object = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_members = msgspec.json.Decoder(_Members)
_anything = msgspec.json.Decoder()


def read(text: bytes, *, whole: bool = True) -> list[Envelope]:
    """Return the messages of one line, several for a batch; never raises, never returns none."""
    if not whole:
        return [Envelope(Form.OTHER, shown=_head(text))]
    try:
        if len(text) > MAX_SHOWN_BYTES:
            return [_large(text)]
        found = _anything.decode(text)
    except (ValueError, RecursionError):  # DecodeError is a ValueError
        return [Envelope(Form.OTHER, shown=_head(text))]
    if isinstance(found, list) and found:
        return [_envelope(item) for item in found]
    return [_envelope(found)]


def _envelope(found: object) -> Envelope:
    if not isinstance(found, dict):
        return Envelope(Form.OTHER, shown=found)
    method = found.get("method")
    if isinstance(method, str):
        params = found.get("params")
        form = Form.REQUEST if "id" in found else Form.NOTIFICATION
        shown_params = params if isinstance(params, dict) else {}
        return Envelope(form, found.get("id"), method, shown_params, found)
    form = Form.ERROR if "error" in found else Form.RESPONSE if "result" in found else Form.OTHER
    return Envelope(form, found.get("id"), None, {}, found)


def _large(text: bytes) -> Envelope:
    members = _members.decode(text)
    named = None if members.id is msgspec.UNSET else members.id
    if isinstance(members.method, str):
        form = Form.NOTIFICATION if members.id is msgspec.UNSET else Form.REQUEST
        return Envelope(form, named, members.method, {}, _head(text))
    if members.error is not msgspec.UNSET:
        return Envelope(Form.ERROR, named, shown=_head(text))
    form = Form.OTHER if members.result is msgspec.UNSET else Form.RESPONSE
    return Envelope(form, named, shown=_head(text))


def _head(text: bytes) -> str:
    return text[: 4 * HEAD_CHARS].decode("utf-8", "replace")[:HEAD_CHARS]
