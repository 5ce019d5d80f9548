"""An MCP server behind a tap on stdio: seen from outside, the tap is the server.

Exit code, death by a signal, and every signal that can be caught pass through; SIGKILL, which
cannot, takes the server along where the system can do that (Linux).
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, NoReturn

from godot.tap.feed import Kind
from godot.tap.pump import pump
from godot.tap.recorder import Recorder

IDLE_S = 1.0  # until a pipe that outlives the server is left to the children that hold it
DRAIN_S = 30.0  # for a client to take what a dead server left

_PASSED_ON = {
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2),
}
_PR_SET_PDEATHSIG = 1


class _Passing(NamedTuple):
    """One direction, and its thread."""

    source: int
    sink: int
    thread: threading.Thread


def run(
    command: Sequence[str],
    recorder: Recorder,
    change: Callable[[bytes], bytes] | None = None,
    *,
    its_own_stdin: bool = False,
) -> NoReturn:
    """Run the command, pass everything on, and end as it ended.

    With `its_own_stdin` it reads ours itself, and nothing of that is recorded. Raises
    FileNotFoundError or PermissionError when it cannot be started.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
    try:
        server = _start(command, before, None if its_own_stdin else subprocess.PIPE)
    except OSError:
        recorder.finish()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    assert server.stdout is not None
    assert server.stderr is not None
    put = recorder.feed.put
    to_client = _pass(server.stdout.fileno(), 1, partial(put, Kind.TO_CLIENT))
    to_stderr = _pass(server.stderr.fileno(), os.dup(2), partial(put, Kind.STDERR))
    if server.stdin is not None:
        _pass(0, server.stdin.fileno(), partial(put, Kind.TO_SERVER), change)
    status = _ended(server.pid)
    _drain(to_client)
    _drain(to_stderr)
    put(Kind.ABOUT, f'{{"exit_status": {os.waitstatus_to_exitcode(status)}}}'.encode())
    recorder.finish()
    _end_like(status)


def _start(
    command: Sequence[str], mask: set[int | signal.Signals], stdin: int | None
) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return subprocess.Popen(
        command,
        bufsize=0,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,  # no thread but the feed's runs yet, and it holds no lock
    )


def _pass(
    source: int,
    sink: int,
    note: Callable[[bytes], None],
    change: Callable[[bytes], bytes] | None = None,
) -> _Passing:
    thread = threading.Thread(target=pump, args=(source, sink, note, change), daemon=True)
    thread.start()
    return _Passing(source, sink, thread)


def _drain(passing: _Passing) -> None:
    """Wait until everything a dead server said has passed, however busy the machine is."""
    deadline = time.monotonic() + DRAIN_S
    while passing.thread.is_alive() and time.monotonic() < deadline:
        passing.thread.join(IDLE_S)
        # neither bytes nor an end, nor any that wait for the client: its children hold it open
        if not _is(passing.source, select.POLLIN) and _is(passing.sink, select.POLLOUT):
            return


def _is(descriptor: int, ready: int) -> bool:
    """Say whether a descriptor can be read or written, or is closed."""
    poller = select.poll()
    poller.register(descriptor, ready)
    return bool(poller.poll(0))


def _ended(pid: int) -> int:
    """Pass signals on until the server ends; return its wait status."""
    while True:
        told = signal.sigwaitinfo({*_PASSED_ON, signal.SIGCHLD})
        if told.si_signo == signal.SIGCHLD:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return status
        elif told.si_code <= 0:  # sent by a process; the terminal's own reach the server, too
            os.kill(pid, told.si_signo)


def _end_like(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
