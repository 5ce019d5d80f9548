"""Which streams a Redis has: found by walking its keys, in pages that hold nobody up."""

from __future__ import annotations

from godot.settings import Settings
from godot.stream.connection import ask, close, connect

PAGE = 1_000


def every_stream(settings: Settings) -> list[str]:
    """Return the names of all streams, sorted; raise StreamUnavailable."""
    client = connect(settings)
    found: set[bytes] = set()
    cursor: bytes | int = 0
    try:
        while True:
            cursor, page = ask(client, "SCAN", cursor, "COUNT", PAGE, "TYPE", "stream")
            found.update(page)
            if not int(cursor):
                break
    finally:
        close(client)
    return sorted(name.decode("utf-8", "replace") for name in found)
