"""Importing redis at the worst moments: in a thread, during a fork, at the end of the program.

The import takes 0.2 to 0.4 s of CPU, so the sender's thread does it when the first record is sent.
Three things can happen meanwhile:

- The program forks. Import locks held by our thread would stay held in the child for ever, so
  whoever forks waits for the import to end. The hook that waits must run before those of `logging`
  and `concurrent.futures`, which take locks that the import may need; hooks run in the reverse of
  their order, so both are imported here first, with what the sender itself would import otherwise
  only when something goes wrong. And whatever redis would import only when it
  connects is imported with it.
- The program ends, and its exit hook waits for us to send what it logged. By then
  `concurrent.futures.thread`, which redis needs, could not be imported any more.
- The program goes on, and wants the interpreter: turns.py.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from clientlib.turns import SharedImport, Turn

FORK_PATIENCE_S = 5.0
FIRST = ("logging", "json", "traceback", "urllib.parse", "concurrent.futures.thread")
WITH_REDIS = ("redis.backoff", "redis.maint_notifications", "redis.retry")
ON_CONNECTING = ("secrets", "encodings.idna", "encodings.punycode")

_lock = threading.Lock()
_held_by_fork = False
_prepared = False


def prepare() -> bool:
    """Make forks safe, before there is a thread; False when that was done already.

    Not at import: 10 ms that a program without a logger need not pay.
    """
    global _prepared
    if _prepared:
        return False
    _prepared = True
    # once the main thread has ended `concurrent.futures.thread` cannot be imported any more, nor
    # can redis: then what is logged is printed
    with suppress(RuntimeError):
        for name in FIRST:
            import_module(name)
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
    return True


def redis(turn: Turn) -> ModuleType:
    """Return the redis package, imported now if it was not; raise ImportError without it."""
    with _lock, SharedImport(turn):
        for name in (*WITH_REDIS, *ON_CONNECTING):
            import_module(name)
        return import_module("redis")


def _before_fork() -> None:
    global _held_by_fork
    _held_by_fork = _lock.acquire(timeout=FORK_PATIENCE_S)


def _after_fork_in_parent() -> None:
    global _held_by_fork
    if _held_by_fork:
        _held_by_fork = False
        _lock.release()


def _after_fork_in_child() -> None:
    global _held_by_fork, _lock
    _held_by_fork = False
    _lock = threading.Lock()
