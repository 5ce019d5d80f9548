"""How the sender's thread lets the program's own threads run while it has long work to do.

CPython hands its lock over when another thread has waited 5 ms for it. But a thread that gives the
lock up for a moment, as in every system call, starts that time anew, and mostly has it back before
the one that waits woke up. So work that consists of many small system calls, such as importing
redis or printing records, kept a log call waiting for 70 to 105 ms (Python 3.11, two cores).
Whoever does such work shares its turn: it sleeps for a moment, now and then. Not while the program
waits for it: on a busy machine each of these moments may last for milliseconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import get_ident

TURN_S = 0.001
PAUSE_S = 0.0001  # more than a thread takes to wake up, mostly


class Turn:
    """A thread's time at work; `awaited` says whether the program waits for it to end."""

    def __init__(self, awaited: Callable[[], bool] = bool) -> None:
        self._awaited = awaited
        self._until = time.monotonic() + TURN_S

    def share(self) -> None:
        """Let others run, if it was long enough; called between two small steps."""
        if time.monotonic() >= self._until and not self._awaited():
            time.sleep(PAUSE_S)
            self._until = time.monotonic() + TURN_S


class SharedImport:
    """While this is entered, the thread that did so shares its turn before each module it imports.

    It stands first among the finders of `sys.meta_path`, and finds nothing.
    """

    def __init__(self, turn: Turn) -> None:
        self._thread_id = get_ident()
        self._turn = turn

    def __enter__(self) -> SharedImport:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in (sys.meta_path or ()):  # the program may have others by now, or have ended
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Say that the next one should look; called by `import`."""
        if get_ident() == self._thread_id:
            self._turn.share()
