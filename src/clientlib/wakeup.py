"""A main thread that began to wait just as a signal came is woken once more.

Python's handlers run in the main thread, between two of its steps. A signal that comes after the
last of them and before the kernel waits interrupts nothing, nor does one that the kernel gives to
another thread: the handler runs when the wait is over. A worker that its pool ends by SIGTERM then
waits for its next task for ever, and the pool for the worker.

So a thread reads Python's wakeup descriptor, which hears of every signal at once. Where a handler
has not begun soon afterwards, it interrupts whatever the main thread waits in by SIGURG: handled by
doing nothing, and ignored by default, so that one too many does no harm. A second SIGTERM would.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from types import FrameType

SOON_S = 0.05  # between two looks whether the handler has begun

_pipe: tuple[int, ...] = ()


def insist(number: int) -> None:
    """Have a signal's present handler run, whatever the main thread waits for; called by that.

    The handler tells that it has begun by setting another. Costs a thread that sleeps. Does nothing
    where SIGURG or the wakeup descriptor is the program's, or where no thread can be had.
    """
    global _pipe
    if _pipe or signal.getsignal(signal.SIGURG) is not signal.SIG_DFL:
        return
    try:
        _pipe = os.pipe()
        os.set_blocking(_pipe[1], False)
        taken = signal.set_wakeup_fd(_pipe[1], warn_on_full_buffer=False)
        if taken >= 0:  # an event loop's, which reads it
            signal.set_wakeup_fd(taken)
            _close()
            return
        signal.signal(signal.SIGURG, _nothing)
        _thread.start_new_thread(_watch, (number, _pipe[0], _thread.get_ident()))
    except (OSError, RuntimeError):  # too many files, or too late for a thread
        _forget()


def _watch(number: int, reader: int, main: int) -> None:
    handler = signal.getsignal(number)
    try:
        while heard := os.read(reader, 1):
            while heard[0] == number and signal.getsignal(number) is handler:
                time.sleep(SOON_S)
                if signal.getsignal(number) is handler:
                    signal.pthread_kill(main, signal.SIGURG)
    except OSError:  # somebody closed every file
        return


def _nothing(number: int, frame: FrameType | None) -> None:
    """Interrupt what waits."""


def _forget() -> None:
    """End what `insist` began; in a forked child, where the thread and the reader are not."""
    if _pipe:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGURG, signal.SIG_DFL)
        _close()


def _close() -> None:
    global _pipe
    for descriptor in _pipe:
        os.close(descriptor)
    _pipe = ()


os.register_at_fork(after_in_child=_forget)
