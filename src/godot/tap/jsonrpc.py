"""What one JSON-RPC message is, without judging it: the tap has to show the wrong ones most of all.

A message of up to MAX_SHOWN_BYTES is kept whole. A larger one that lists tools or the like is taken
apart, since what is wrong with a tool shows nowhere else. Of others only what pairs them and says
what became of them is read, by skipping over the rest, and their beginning is kept as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any

import msgspec

MAX_SHOWN_BYTES = 200_000  # below what a record may carry, so that the client need not cut it
MAX_LIST_BYTES = 4_000_000
HEAD_CHARS = 4_096
LISTS = ("tools", "prompts", "resources", "resourceTemplates")
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

    Of a large message `params` holds only the few that PARAMS names. `shown` is the message, or the
    beginning of what is too large or no JSON. `parts` are the items that a large list was made of,
    in objects of their own.
    """

    form: Form
    id: object = None
    method: str | None = None
    params: dict[str, object] = {}  # msgspec copies it
    shown: object = None
    is_head: bool = False  # there is more than what is shown
    is_error: bool = False  # a result that says so
    batch: bool = False  # one of several in a list
    parts: list[dict[str, object]] = []

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
_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def read(text: bytes, *, whole: bool = True) -> list[Envelope]:
    """Return the messages of one line, several for a batch; never raises, never returns none."""
    if whole:
        with suppress(ValueError, RecursionError):  # DecodeError is a ValueError
            return _messages(text)
        with suppress(ValueError, RecursionError):
            return _messages(_mended(text))
    return [_beginning(text, Form.OTHER, whole=whole)]


def _messages(text: bytes) -> list[Envelope]:
    if len(text) <= MAX_SHOWN_BYTES:
        found = _anything.decode(text)
        if not isinstance(found, list) or not found:
            return [_envelope(found)]
        several = [_envelope(item) for item in found]
    else:
        try:
            items = _list.decode(text)
        except msgspec.ValidationError:  # no list
            return [_large(text)]
        several = [each for item in items for each in _messages(bytes(item))]
        if not several:
            raise ValueError("an empty list")
    return [msgspec.structs.replace(each, batch=True) for each in several]


def _mended(text: bytes) -> bytes:
    """Return JSON with `?` for half a surrogate pair, which is allowed, but msgspec reads none.

    Who cuts text at a number of characters makes them. Raises ValueError for what is no JSON.
    """
    if b"\\ud" not in text and b"\\uD" not in text:
        raise ValueError
    found = json.loads(text.decode())
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")


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
        params = _few(members.params)
        return _beginning(text, form, id=named, method=members.method, params=params)
    if members.error is not msgspec.UNSET:
        return _beginning(text, Form.ERROR, id=named)
    if members.result is msgspec.UNSET:
        return _beginning(text, Form.OTHER, id=named)
    if len(text) <= MAX_LIST_BYTES and (found := _apart(text)):
        return found
    is_error = False
    with suppress(msgspec.ValidationError):  # a result that is no object
        is_error = _result.decode(members.result).isError is True
    return _beginning(text, Form.RESPONSE, id=named, is_error=is_error)


def _apart(text: bytes) -> Envelope | None:
    """Return an answer that lists something, and its items by parts; None when it does not."""
    with suppress(ValueError):  # another kind of result, several lists, or none
        members = _object.decode(text)
        result = _object.decode(members["result"])
        [name] = result.keys() & LISTS
        items = _list.decode(result.pop(name))
        members["result"] = msgspec.Raw(_encode(result))
        rest = _encode(members)
        if max(map(len, (rest, *items))) <= MAX_SHOWN_BYTES:
            whole = _envelope(_anything.decode(rest))
            parts = [{name: part} for part in _parts(items)]
            return msgspec.structs.replace(whole, parts=parts)
    return None


def _parts(items: list[msgspec.Raw]) -> Iterator[list[object]]:
    part: list[object] = []
    size = 0
    for item in items:
        if part and size + len(item) > MAX_SHOWN_BYTES:
            yield part
            part, size = [], 0
        part.append(_anything.decode(item))
        size += len(item) + 1
    yield part


def _few(params: msgspec.Raw) -> dict[str, object]:
    try:
        found = msgspec.structs.asdict(_params.decode(params))
    except msgspec.ValidationError:  # no object
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _beginning(text: bytes, form: Form, *, whole: bool = True, **more: Any) -> Envelope:
    head = text[: 4 * (HEAD_CHARS + 1)].decode("utf-8", "replace")
    is_head = not whole or len(head) > HEAD_CHARS
    return Envelope(form, shown=head[:HEAD_CHARS], is_head=is_head, **more)
