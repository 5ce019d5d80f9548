"""Watching the stream as records arrive, without touching any group."""

from __future__ import annotations

from godot.settings import Settings
from godot.stream.connection import ask, close, connect
from godot.stream.ids import ZERO, StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import counters
from godot.stream.replies import Entry, entries, read_entries

MAX_BLOCK_MS = 10_000


class Follower:
    """Reads from after a position onwards; `after=None` starts with what comes from now on.

    The position is fixed when the object is made, so nothing is missed between that moment and the
    first `read`. Raises StreamUnavailable.
    """

    def __init__(self, settings: Settings, after: StreamID | None = None) -> None:
        self._key = stream_key(settings.stream)
        self._client = connect(settings, block_ms=MAX_BLOCK_MS)
        self._seen = 0  # of the entries ever added: those up to the position
        self.position = self._newest() if after is None else after

    def _newest(self) -> StreamID:
        now = counters(self._client, self._key)
        if now is None:
            return ZERO
        self._seen = now.added
        return now.last or now.last_generated

    def missed(self) -> int:
        """Return how many entries were trimmed before they could be read, since asked last.

        Ask before reading, and one that began with what comes from now on. Entries that somebody
        deleted count, too.
        """
        now = counters(self._client, self._key)
        trimmed = 0 if now is None else now.added - now.length
        missed = max(0, trimmed - self._seen)
        self._seen += missed
        return missed

    def read(self, block_ms: int, count: int = 500) -> list[Entry]:
        """Return up to `count` further entries; wait at most `block_ms` for the first."""
        found = read_entries(
            ask(
                self._client,
                *("XREAD", "COUNT", count, "BLOCK", min(max(block_ms, 1), MAX_BLOCK_MS)),
                *("STREAMS", self._key, str(self.position)),
            )
        )
        if found:
            self.position = found[-1].id
            self._seen += len(found)
        return found

    def before(self, count: int) -> list[Entry]:
        """Return the last `count` entries up to the position, oldest first."""
        found = entries(
            ask(self._client, "XREVRANGE", self._key, str(self.position), "-", "COUNT", count)
        )
        return found[::-1]

    def close(self) -> None:
        close(self._client)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
