"""Cuts a stream of bytes into lines, whatever their length, within a bound of memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE_BYTES = 64 << 20


class Line(NamedTuple):
    """One line without its end. `size` counts all its bytes, of which `text` may hold the first."""

    text: bytes
    size: int
    whole: bool  # False when bytes are missing: too long, or lost on the way here


class Lines:
    """The lines of one direction; what has no end yet waits."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._kept = 0
        self._whole = True

    def add(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end in this chunk."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._keep(chunk[start:end])
            yield self._take()
            start = end + 1
        self._keep(chunk[start:])

    def lose(self, count: int) -> None:
        """Note that bytes are missing here; what follows is the middle of some line."""
        self._size += count
        self._whole = False

    def rest(self) -> Iterator[Line]:
        """Yield what came last without an end."""
        if self._size:
            yield self._take()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._kept + len(part) > MAX_LINE_BYTES:
            part = part[: MAX_LINE_BYTES - self._kept]
            self._whole = False
        if part:
            self._kept += len(part)
            self._parts.append(part)

    def _take(self) -> Line:
        line = Line(b"".join(self._parts).removesuffix(b"\r"), self._size, self._whole)
        self._parts, self._size, self._kept, self._whole = [], 0, 0, True
        return line
