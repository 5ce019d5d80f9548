"""What server-sent events carry: the data of each event, as one line."""

from __future__ import annotations

from godot.tap.lines import Lines


class Events:
    """Reads one stream of events as it passes."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []

    def add(self, chunk: bytes) -> bytes:
        """Return the data of every event that ends in this chunk, a line each."""
        found = b""
        for line in self._lines.add(chunk):
            name, _, value = line.text.partition(b":")
            if name == b"data" and value.strip():
                self._data.append(value.removeprefix(b" "))
            elif not line.text and self._data:
                found += b" ".join(self._data) + b"\n"
                self._data = []
        return found
