"""Keeping hold of a batch that takes long.

A synchronous worker cannot tell Redis that it still lives while it waits inside a COPY, and a peer
would reclaim its entries. So a second thread with a connection of its own renews the entries in
hand: XCLAIM to ourselves with JUSTID resets the idle clock and leaves the delivery count alone.
A renewal that returns fewer ids never drops records: a peer's sweep purges ids whose payload was
trimmed although we still hold the payload in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from godot.errors import GodotError
from godot.logs import get_logger
from godot.settings import Settings
from godot.stream.connection import ask, close, connect
from godot.stream.ids import StreamID

log = get_logger(__name__)


class Lease:
    """The renewing thread; `hold` tells it which ids are in hand, none included."""

    def __init__(self, settings: Settings, consumer: str) -> None:
        self._settings = settings
        self._consumer = consumer
        self._interval_s = settings.reclaim_idle_ms / 3000
        self._ids: tuple[StreamID, ...] = ()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def hold(self, ids: Sequence[StreamID]) -> None:
        self._ids = tuple(ids)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        client = connect(self._settings)
        held: tuple[StreamID, ...] = ()
        while not self._stop.wait(self._interval_s):
            # only ids already in hand a whole interval ago are in any danger
            held, renew = self._ids, held
            if not held or held is not renew:
                continue
            try:
                ask(
                    client,
                    *("XCLAIM", self._settings.stream, self._settings.group, self._consumer, 0),
                    *[str(i) for i in held],
                    "JUSTID",
                )
            except GodotError as exc:  # the next interval tries again; two are missed at most
                log.warning("lease not renewed", extra={"action": "lease", "reason": str(exc)})
        close(client)
