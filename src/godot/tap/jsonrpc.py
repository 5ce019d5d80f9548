"""What one JSON-RPC message is, without judging it: the tap has to show the wrong ones most of all.

A message of up to MAX_SHOWN_BYTES is kept whole. Of a larger one only what pairs it and says what
became of it is read, by skipping over the rest, and its beginning is kept as text.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

import msgspec

MAX_SHOWN_BYTES = 200_000  # below what a record may carry, so that the client need not cut it
HEAD_CHARS = 4_096
OF_REQUESTS = ("notifications/progress", "notifications/cancelled")  # speak of an open request


class Form(StrEnum):
    """What JSON-RPC makes of a message by the members it has."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"
    ERROR = "error"
    OTHER = "not JSON-RPC"


class Envelope(msgspec.Struct, frozen=True):
    """The members that tell what a message is.

    Of a large message `params` holds only the few that PARAMS names, and `shown` is the beginning.
    """

    form: Form
    id: object = None
    method: str | None = None
    params: dict[str, object] = {}  # msgspec copies it
    shown: object = None
    is_error: bool = False  # a result that says so
    batch: bool = False  # one of several in a list

    @property
    def meta(self) -> object:
        return self.params.get("_meta")


class _Members(msgspec.Struct):
    id: object = msgspec.UNSET
    method: object = msgspec.UNSET
    params: msgspec.Raw = msgspec.Raw(b"null")
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


PARAMS = ("name", "_meta", "progressToken", "requestId")
_Params = msgspec.defstruct("_Params", [(name, object, None) for name in PARAMS])


class _Result(msgspec.Struct):
    isError: object = None  # as it is spelled in messages


_members = msgspec.json.Decoder(_Members)
_params = msgspec.json.Decoder(_Params)
_result = msgspec.json.Decoder(_Result)
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
        return [msgspec.structs.replace(_envelope(item), batch=True) for item in found]
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
    result = found.get("result")
    is_error = isinstance(result, dict) and result.get("isError") is True
    return Envelope(form, found.get("id"), None, {}, found, is_error)


def _large(text: bytes) -> Envelope:
    members = _members.decode(text)
    named = None if members.id is msgspec.UNSET else members.id
    if isinstance(members.method, str):
        form = Form.NOTIFICATION if members.id is msgspec.UNSET else Form.REQUEST
        return Envelope(form, named, members.method, _few(members.params), _head(text))
    if members.error is not msgspec.UNSET:
        return Envelope(Form.ERROR, named, shown=_head(text))
    if members.result is msgspec.UNSET:
        return Envelope(Form.OTHER, named, shown=_head(text))
    is_error = False
    with suppress(msgspec.ValidationError):  # a result that is no object
        is_error = _result.decode(members.result).isError is True
    return Envelope(Form.RESPONSE, named, shown=_head(text), is_error=is_error)


def _few(params: msgspec.Raw) -> dict[str, object]:
    try:
        found = msgspec.structs.asdict(_params.decode(params))
    except msgspec.ValidationError:  # no object
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _head(text: bytes) -> str:
    return text[: 4 * HEAD_CHARS].decode("utf-8", "replace")[:HEAD_CHARS]
