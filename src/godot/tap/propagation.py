"""`--propagate`: client requests get a trace id that the server can log under.

Only a request without a trace of its own is touched, and in it only `params._meta`: everything else
keeps its bytes. What cannot be read, and what is very long, passes as it is.
"""

from __future__ import annotations

import os

import msgspec

MAX_LINE_BYTES = 1 << 20

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
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


def with_trace(line: bytes) -> bytes:
    """Return a request with a `traceparent`; anything else, or one that has a trace, as it is."""
    try:
        message = _decode(line)
        if not {"id", "method"} <= message.keys():
            return line
        params = _decode(message.get("params", b"{}"))
        meta = _decode(params.get("_meta", b"{}"))
        if {"traceparent", "x-trace-id"} & {name.lower() for name in meta}:
            return line
        parent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
        meta["traceparent"] = msgspec.Raw(_encode(parent))
        params["_meta"] = msgspec.Raw(_encode(meta))
        message["params"] = msgspec.Raw(_encode(params))
        return _encode(message) + line[len(line.rstrip()) :]
    except (ValueError, RecursionError):  # DecodeError is a ValueError
        return line
