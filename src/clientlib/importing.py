"""Importing redis at the worst moments: in a thread, during a fork, at the end of the program.

The import takes 0.2 to 0.4 s of CPU, so the sender's thread does it when the first record is sent.
Two things can happen meanwhile:

- The program forks. Import locks held by our thread would stay held in the child for ever, so
  whoever forks waits for the import to end. The hook that waits has to run before that of
  `logging`, which takes a lock that the import needs as well; hooks run in the reverse of their
  order, so `logging` is imported here first (5 ms).
- The program ends, and its exit hook waits for us to send what it logged. redis imports
  `concurrent.futures.thread`, which registers a hook with `threading` and fails when the moment
  for that is over.
"""

from __future__ import annotations

import logging  # noqa: F401  # its fork hook must be registered before ours
import os
import threading
from types import ModuleType

FORK_PATIENCE_S = 5.0

_lock = threading.Lock()
_held_by_fork = False


def redis() -> ModuleType:
    """Return the redis package, imported now if it was not; raise ImportError without it."""
    with _lock:
        try:
            import concurrent.futures.thread
        except RuntimeError:  # the interpreter shuts down: nobody starts a pool of threads now
            setattr(threading, "_register_atexit", lambda *_, **__: None)  # noqa: B010  # private
            import concurrent.futures.thread  # noqa: F401
        # What redis and sockets import later, when they first connect: the same danger at a fork.
        import encodings.idna
        import encodings.punycode
        import secrets  # noqa: F401

        import redis.backoff
        import redis.maint_notifications
        import redis.retry
    return redis


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


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
