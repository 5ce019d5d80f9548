"""Levels set from outside, seen by running programs: the hash `{stream}:levels`, and a channel of
the same name that tells when it changes.

Both are read over the sender's own connection by the sender's own thread, so a process needs no
second of either. The thread looks once a second whether the server has told something, which costs
a system call; the hash is read when it has, with every new connection, and twice a minute in case
word was lost. Where the server cannot tell by itself (RESP2, no right to subscribe) the hash is
read with every look; where it may not be read, asking twice a minute is enough.

Whatever fails here is no outage and is not told: records are what matters. In an outage nothing is
asked, since delivery makes the next connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from clientlib.levels import Levels
from clientlib.transport import Transport

FIRST_LOOK_S = 1.0  # a program that ends sooner and logs nothing needs no connection
LOOK_EVERY_S = 1.0
ASK_EVERY_S = 30.0
LAST_RETRY_S = 5.0


class Watch:
    """One sender's knowledge of the levels; used by its thread alone."""

    def __init__(
        self,
        stream: str,
        transport: Transport,
        levels: Levels,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], float] = lambda: time.time() * 1_000,
    ) -> None:
        self._key = f"{stream}:levels"
        self._transport = transport
        self._levels = levels
        self._clock = clock
        self._wall_ms = wall_ms
        self._look_at = float("inf")
        self._ask_at = 0.0
        self._retry_s = LOOK_EVERY_S
        self._known = 0  # the connection that was subscribed on, by its number
        self._tells = False  # the server tells of changes by itself

    def start(self) -> None:
        """Begin, unless it was begun."""
        if self._look_at == float("inf"):
            self._look_at = self._clock() + FIRST_LOOK_S

    def stop(self) -> None:
        """Forget what was set from outside: nobody would notice that it is over."""
        self._look_at = float("inf")
        self._known = 0
        self._levels.push({}, self._wall_ms())

    @property
    def wait_s(self) -> float:
        """Return how long the thread may sleep before the next look."""
        return max(0.0, self._look_at - self._clock())

    def look(self, *, outage: bool) -> None:
        """Do what is due."""
        self._levels.lapse(self._wall_ms())
        now = self._clock()
        new = self._transport.connected and self._transport.number != self._known
        if self._look_at == float("inf") or (now < self._look_at and not new):
            return
        self._look_at = now + LOOK_EVERY_S
        if outage:
            return
        self._transport.hear()
        if not self._transport.connect():
            self._look_at = now + self._retry_s
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
            return
        self._retry_s = LOOK_EVERY_S
        # subscribe, then read, in this order, so that no change is missed
        if self._transport.number != self._known:
            self._known = self._transport.number
            self._tells = self._transport.subscribe(self._key)
            self._ask_at = 0.0
        if self._transport.told or now >= self._ask_at:
            self._transport.told = False
            known = self._read()
            self._ask_at = now + (LOOK_EVERY_S if known and not self._tells else ASK_EVERY_S)

    def _read(self) -> bool:
        found = self._transport.mapping("HGETALL", self._key)
        if found is not None:
            self._levels.push(found, self._wall_ms())
        return found is not None
