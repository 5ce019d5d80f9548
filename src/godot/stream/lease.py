"""Keeping hold of a batch that takes long.

A synchronous worker cannot tell Redis that it still lives while it waits inside a COPY, and a peer
would reclaim its entries. So a second thread with a connection of its own renews the entries in
hand: XCLAIM to ourselves with JUSTID resets the idle clock and leaves the delivery count alone.
A renewal that returns fewer ids never drops records: ids whose payload was trimmed are purged, by a
peer's sweep and by the renewal itself, although we still hold the payload in memory.

What is in hand may take as long as the store answers. Where it was silent for the reclaim time,
nothing is renewed any more: a worker whose way to the store is broken would keep its batch from
peers whose ways are not. Should it come through in the end, what both store is stored once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from godot.errors import GodotError
from godot.logs import get_logger
from godot.settings import Settings
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.ids import StreamID

log = get_logger(__name__)


class Lease:
    """The renewing thread; `hold` tells it which ids are in hand, none included."""

    def __init__(self, settings: Settings, consumer: Consumer) -> None:
        self._settings = settings
        self._holder = (consumer.stream, consumer.group, consumer.name)
        self._interval_s = settings.reclaim_idle_ms / 3000
        self._silence_s = settings.reclaim_idle_ms / 1000
        self._since = time.monotonic()
        self._ids: tuple[StreamID, ...] = ()
        self._lasting: tuple[StreamID, ...] = ()
        self._excused = False
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def hold(self, ids: Sequence[StreamID], lasting: Sequence[StreamID] = ()) -> None:
        """Say what is in hand: the batch's ids, and those that outlast many a batch."""
        self._ids, self._lasting = tuple(ids), tuple(lasting)
        self._since = time.monotonic()

    def prolong(self) -> None:
        """Say that the store answers: what is in hand takes longer."""
        self._since = time.monotonic()

    def in_doubt(self, asked_at: float) -> bool:
        """Say whether a peer may have what was asked for then: we may have been stopped since."""
        return time.monotonic() - asked_at > self._silence_s / 2

    def excuse(self) -> None:
        """Have the deliveries of what is in hand counted as first ones, at once.

        While the store is away a worker may be killed again and again with the same innocent batch.
        """
        self._excused = True
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        client = connect(self._settings)
        consumer = Consumer(client, *self._holder)
        held: tuple[StreamID, ...] = ()
        while True:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            if self._closing:
                break
            # only ids already in hand a whole interval ago are in any danger
            held, before = self._ids, set(held)
            excused, self._excused = self._excused, False
            try:
                if excused:
                    consumer.excuse(held)
                if time.monotonic() - self._since > self._silence_s:
                    continue
                known = () if excused else [one for one in held if one in before]
                in_danger = (*known, *self._lasting)
                if in_danger:
                    consumer.renew(in_danger)
            except GodotError as exc:  # the next interval tries again; two are missed at most
                log.warning("lease not renewed", extra={"action": "lease", "reason": str(exc)})
        close(client)
