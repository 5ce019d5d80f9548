"""What server-sent events carry: the message in each event, as one line.

Events of another kind carry none: `endpoint`, by which the oldest transport says where to post.
"""

from __future__ import annotations

from godot.tap.lines import Lines


class Events:
    """Reads one stream of events as it passes."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []
        self._kind = b"message"

    def add(self, chunk: bytes) -> bytes:
        """Return the message of every event that ends in this chunk, a line each."""
        found = b""
        for line in self._lines.add(chunk):
            name, _, value = line.text.partition(b":")
            if name == b"data" and value.strip():
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._kind = value.strip() or b"message"
            elif not line.text:
                if self._data and self._kind == b"message":
                    found += b" ".join(self._data) + b"\n"
                self._data, self._kind = [], b"message"
        return found
