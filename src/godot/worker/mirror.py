"""Levels that were set in the store alone reach programs all the same: a worker passes them on.

Dewey's own tools never talk to Redis, and Redis may have lost what it was told. A thread apart from
the batches, so that a store that takes long to answer costs only the levels.
"""

from __future__ import annotations

import threading

from dewey_logs import DeweyError, Store
from godot.errors import GodotError
from godot.levels import pass_on
from godot.logs import get_logger
from godot.settings import Settings
from godot.stream.levels import Board

log = get_logger(__name__)

EVERY_S = 1.0
RETRY_S = 10.0


class LevelMirror:
    """The thread; runs while it is entered."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="levels", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(0.5)  # it may wait for the store: it ends with that

    def _run(self) -> None:
        board = Board(self._settings)
        told = False
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            try:
                changed = pass_on(self._store, board)
            except (GodotError, DeweyError) as exc:
                wait_s = RETRY_S
                if not told and not self._closing.is_set():
                    told = True
                    log.warning(
                        "levels not passed on", extra={"action": "levels", "reason": str(exc)}
                    )
                continue
            wait_s, told = EVERY_S, False
            if changed:
                log.info("levels passed on", extra={"action": "levels", "components": changed})
        board.close()
