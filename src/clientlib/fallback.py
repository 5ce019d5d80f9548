"""What a person sees while Redis is away: the records on stdout, one line on stderr.

Everything is written with `os.write` by the sender's thread. `sys.stdout` would share a lock with
the program, and a child forked while it is held hangs. A pipe that nobody reads must not stop the
sender either: it is polled first and given at most 4 KiB at a time, which a pipe that polls as
writable takes without blocking.
"""

from __future__ import annotations

import os
import select
import sys

import msgspec

from clientlib.framing import Parcel, fields_of

PIPE_BYTES = 4_096  # PIPE_BUF: a line up to this length is not torn by another writer's
STDOUT_PATIENCE_MS = 250
_encode = msgspec.json.Encoder().encode


def say(text: str) -> None:
    """Write one line about ourselves to stderr; silently nothing when there is no stderr."""
    line = f"godot: {' '.join(text.split())}\n"
    try:
        if sys.__stderr__ is not None and not sys.__stderr__.closed:
            os.write(2, line.encode("utf-8", "replace")[:PIPE_BYTES])
    except (OSError, ValueError):
        return


def line_of(parcel: Parcel) -> bytes:
    """Return a record as one JSON line: the fields of the stream entry, `data` as an object."""
    found: dict[str, object] = {}
    for name, value in fields_of(parcel).items():
        found[name.decode()] = msgspec.Raw(value) if name == b"data" else value.decode()
    return _encode(found) + b"\n"


class Printer:
    """Prints records on stdout; gives up for a while when stdout does not take them."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self.printed = 0
        self.unprinted = 0

    def print(self, parcels: list[Parcel]) -> None:
        """Print the records as JSON lines; count what stdout does not take."""
        patience_ms = STDOUT_PATIENCE_MS
        chunk: list[bytes] = []
        size = 0
        for parcel in parcels:
            line = line_of(parcel)
            if chunk and size + len(line) > PIPE_BYTES:
                patience_ms = self._write(chunk, patience_ms)
                chunk, size = [], 0
            chunk.append(line)
            size += len(line)
        if chunk:
            self._write(chunk, patience_ms)

    def _write(self, lines: list[bytes], patience_ms: int) -> int:
        """Write whole lines; return the patience left: none once stdout has refused."""
        rest = memoryview(b"".join(lines))
        try:
            if sys.__stdout__ is None or sys.__stdout__.closed:
                raise OSError("this program has no stdout")
            poller = select.poll()
            poller.register(self._descriptor, select.POLLOUT)
            while rest:
                if not poller.poll(patience_ms):
                    raise TimeoutError("stdout does not take anything")
                rest = rest[os.write(self._descriptor, rest[:PIPE_BYTES]) :]
        except (OSError, ValueError):
            self.unprinted += len(lines)
            return 0
        self.printed += len(lines)
        return patience_ms
