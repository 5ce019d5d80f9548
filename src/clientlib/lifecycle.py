"""One sender per process and destination, through forks and to the end of the process.

- A fork copies the parent's buffer, thread-less sender and socket. The child starts anew: another
  producer, nothing buffered, a thread of its own at its first record.
- A normal end flushes with a deadline. This module is imported first and so its hook runs late:
  what other exit hooks log is sent too. What still comes after it is sent by whoever logs it, or
  printed where there is no server.
- Children of `multiprocessing` leave by `os._exit`, where no exit hook runs; they have finalizers
  of their own, registered when the sender starts.
- Pools of `multiprocessing` end their children by SIGTERM, where not even those run: in a child in
  which nothing else handles it, SIGTERM flushes first and then ends the process as it would have.
  Like every handler in Python it waits for the main thread to return from C code, which wakeup.py
  has it do where it only waits.
- `flush_on_sigterm` does the same for any program that asks for it.
- `os._exit` and a signal that kills end the process at once: what was not sent yet is lost.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType

from clientlib import importing, wakeup
from clientlib.sender import FAILURES_AT_EXIT, Sender
from clientlib.sender import threads as sender_threads
from clientlib.settings import Destination

_senders: dict[Destination, Sender] = {}
_flush_timeouts_s: dict[Destination, float] = {}
_lock = threading.RLock()  # a `__del__` may make a logger while one is being made
_finalized_pid = 0


def sender_for(destination: Destination, flush_timeout_s: float) -> Sender:
    """Return this process's sender to that destination; made at the first request."""
    with _lock:
        sender = _senders.get(destination)
        if sender is None:
            if importing.prepare():
                os.register_at_fork(after_in_child=_after_fork_in_child)
            sender = _senders[destination] = Sender(destination, _register_finalizer)
        known_s = _flush_timeouts_s.get(destination, 0.0)
        _flush_timeouts_s[destination] = max(known_s, flush_timeout_s)
        return sender


def finish() -> None:
    """Send what is buffered, within the deadline of each sender."""
    for destination, sender in list(_senders.items()):
        sender.finish(_flush_timeouts_s[destination], last=True)


def flush_all() -> None:
    """Send what is buffered, within the deadline of each sender; logging may go on."""
    for destination, sender in list(_senders.items()):
        sender.flush(_flush_timeouts_s[destination], max_failures=FAILURES_AT_EXIT)


def flush_on_sigterm() -> bool:
    """Have SIGTERM send what is buffered before it ends the process, as it would have anyhow.

    Takes up to the flush deadline. Does nothing and returns False where the program handles or
    ignores SIGTERM itself, and outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, _flush_and_end):
        return False
    signal.signal(signal.SIGTERM, _flush_and_end)
    wakeup.insist(signal.SIGTERM)
    return True


def _flush_and_end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait
    finish()
    os.kill(os.getpid(), number)


def _register_finalizer() -> None:
    """Flush at the end of a multiprocessing child; called with a process's first record."""
    global _finalized_pid
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _finalized_pid != os.getpid():
        _finalized_pid = os.getpid()
        util.Finalize(None, finish, exitpriority=10)
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            flush_on_sigterm()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    sender_threads.clear()  # numbers that threads of the child may be given
    for sender in _senders.values():
        sender.forked()


atexit.register(finish)
