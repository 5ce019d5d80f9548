"""`--propagate`: client requests get a trace id that the server can log under.

Only a request without a trace in `params._meta` is touched, and in it only that: everything else
keeps its bytes. What cannot be read, and what is very long, passes as it is. Servers read `_meta`
and no headers, so a trace that the headers of HTTP name is repeated there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeAlias

import msgspec

MAX_LINE_BYTES = 1 << 20

Header: TypeAlias = Callable[[str], str | None]  # the value of a header by its name

_DIGITS = re.compile(r"[0-9a-f]{32}")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Propagation:
    """Changes the lines of one direction as they pass; holds back what has no end yet."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = False  # inside a line that is too long to be held back

    def __call__(self, chunk: bytes) -> bytes:
        """Return what may pass now; of b"", which is the end, whatever is left."""
        if not chunk:
            rest, self._held = self._held, b""
            return rest
        *ended, last = (self._held + chunk).split(b"\n")
        passed = b"".join(self._line(line) + b"\n" for line in ended)
        self._held = last
        if self._passing or len(last) > MAX_LINE_BYTES:
            self._passing, self._held = True, b""
            return passed + last
        return passed

    def _line(self, line: bytes) -> bytes:
        if self._passing:
            self._passing = False
            return line
        return with_trace(line)


def with_trace(line: bytes, header: Header = lambda _: None) -> bytes:
    """Return a request, or each of a batch, with a trace: that of the headers, else a new one.

    Anything else, and a request that has a trace, is returned as it is.
    """
    if len(line) > MAX_LINE_BYTES:
        return line
    try:
        if not line.lstrip().startswith(b"["):
            return _traced(line, header)
        items = [bytes(item) for item in _decode_list(line)]
        traced = [_traced(item, header) for item in items]
    except (ValueError, RecursionError):  # DecodeError is a ValueError
        return line
    return line if traced == items else b"[" + b",".join(traced) + b"]" + _end(line)


def _traced(text: bytes, header: Header) -> bytes:
    message = _decode(text)
    if not {"id", "method"} <= message.keys():
        return text
    params = _decode(message.get("params", b"{}"))
    meta = _decode(params.get("_meta", b"{}"))
    if {"traceparent", "x-trace-id"} & {name.lower() for name in meta}:
        return text
    meta |= {name: msgspec.Raw(_encode(value)) for name, value in _carried(header).items()}
    params["_meta"] = msgspec.Raw(_encode(meta))
    message["params"] = msgspec.Raw(_encode(params))
    return _encode(message) + _end(text)


def _carried(header: Header) -> dict[str, str]:
    """Return what names the trace; an id that is no UUID has no traceparent."""
    found = {name: text for name in ("traceparent", "X-Trace-ID") if (text := header(name))}
    if "traceparent" not in found:
        digits = found.get("X-Trace-ID", os.urandom(16).hex()).replace("-", "").lower()
        if _DIGITS.fullmatch(digits):
            found["traceparent"] = f"00-{digits}-{os.urandom(8).hex()}-01"
    return found


def _end(line: bytes) -> bytes:
    return line[len(line.rstrip()) :]
