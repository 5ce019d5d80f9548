"""Lines out of a file or pipe, with flat memory and without waiting for more than there is.

Splitting is at `\\n` alone, as `wc -l` counts: a progress bar's `\\r` stays inside its line. A line
beyond `MAX_LINE_BYTES` keeps its head, and its true size travels along: nothing is cut silently.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import NamedTuple

from godot.errors import WrongEncoding

MAX_LINE_BYTES = 16 * 1024 * 1024
READ_BYTES = 256 * 1024
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # how it begins, and UTF-8 never does


class RawLine(NamedTuple):
    """One line without its end; `size` is what it had in the file, more than `text` when cut."""

    text: bytes
    size: int

    def decoded(self) -> str:
        """Return the text without the mark that programs of Windows begin a file of UTF-8 with."""
        return self.text.decode("utf-8", "replace").removeprefix("\ufeff")


def read_lines(
    fd: int, *, name: str = "stdin", idle_s: float = 0.2, max_bytes: int = MAX_LINE_BYTES
) -> Iterator[list[RawLine]]:
    """Yield the lines of each read; an empty list means that nothing came for `idle_s`.

    The empty list lets a caller send what it has while a pipe is quiet. The last line counts even
    without a line end. Cost: one copy of each line. Raises WrongEncoding, before the first one.
    """
    splitter, begun = Splitter(max_bytes), False
    while True:
        if not select.select([fd], [], [], idle_s)[0]:
            yield []
            continue
        block = os.read(fd, READ_BYTES)
        if not block:
            break
        if not begun and block.startswith(UTF_16):
            raise WrongEncoding(f"{name} is UTF-16, and lines are read as UTF-8")
        begun = True
        lines = splitter.feed(block)
        if lines:
            yield lines
    rest = splitter.rest()
    if rest:
        yield rest


class Splitter:
    """Holds the beginning of a line whose end has not been read yet."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._held = 0  # bytes in _parts
        self._size = 0  # bytes of the line so far, those not kept included

    def feed(self, block: bytes) -> list[RawLine]:
        first, *others = block.split(b"\n")
        if not others:
            self._keep(first)
            return []
        self._keep(first)
        found = [self._take()]
        *whole, last = others
        found += [RawLine(_without_return(text), len(text)) for text in whole]
        self._keep(last)
        return found

    def rest(self) -> list[RawLine]:
        return [self._take()] if self._size else []

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        room = self._max_bytes - self._held
        if room > 0 and part:
            self._parts.append(part[:room])
            self._held += len(self._parts[-1])

    def _take(self) -> RawLine:
        line = RawLine(_without_return(b"".join(self._parts)), self._size)
        self._parts, self._held, self._size = [], 0, 0
        return line


def _without_return(text: bytes) -> bytes:
    return text[:-1] if text.endswith(b"\r") else text
