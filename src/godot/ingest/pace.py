"""Sending no faster than the workers store: a stream trims its oldest entries, read or not.

A program's logger cannot wait; a file can. So before each batch there must be room below the limit
for what the batch brings, and as long as there is none the file waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from godot.settings import Settings
from godot.stream import snapshot
from godot.stream.snapshot import StreamSnapshot

SHARE = 0.8  # of the stream's limit; the rest is for the programs that log meanwhile
POLL_S = 0.2
REMIND_S = 10.0


class Pace:
    """Lets batches through while the backlog leaves room; says on `tell` when it does not."""

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._allowed = 0

    def wait_for_room(self, count: int) -> None:
        """Return when `count` more entries fit; asks the server once for many batches.

        Half of the room is used before it is measured again, since others write too. Waits without
        end while nothing is stored: the tail of a file is worth no less than its head.
        """
        next_word = self._clock()
        while self._allowed < count:
            now = snapshot.take(self._settings)
            room = int(now.limit * SHARE) - now.backlog
            if room >= count:
                self._allowed = max(count, room // 2)
                break
            if self._clock() >= next_word:
                self._tell(_why(now))
                next_word = self._clock() + REMIND_S
            self._sleep(POLL_S)
        self._allowed -= count


def _why(now: StreamSnapshot) -> str:
    state = f"waiting: {now.backlog:,} of at most {now.limit:,} entries are not stored yet"
    if not now.group.consumers:
        return f"{state}, and no worker runs (start one: godot worker)"
    return state
