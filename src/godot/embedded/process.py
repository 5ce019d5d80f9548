"""One child process that cannot outlive us.

Linux ends the child when the thread that started it is gone (PR_SET_PDEATHSIG), so that even a
kill -9 of the parent leaves no orphan; start children from the main thread only. Each child leads
its own process group: a Ctrl-C on the terminal reaches the parent alone, which stops the children
in order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from godot.errors import StackProblem

PR_SET_PDEATHSIG = 1


class ChildFailed(StackProblem):
    """A process did not start; the message ends with what it said."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message, next_step, "GD-4001")


def die_with_parent(parent_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a hook for the child, or None where the system has nothing of the kind."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def hook() -> None:
        prctl(PR_SET_PDEATHSIG, int(parent_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return hook


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Child:
    """A running process with a log file: started at once, stopped by `stop()`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        with open(log, "ab", opener=_private) as out:
            self._first_byte = out.tell()
            self.popen = subprocess.Popen(
                [os.fspath(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                user=user,
                extra_groups=[] if user else None,
                start_new_session=True,
                preexec_fn=die_with_parent(stop_signal),
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def ask_to_stop(self) -> None:
        """Send the signal this process stops by, and do not wait."""
        if self.running:
            self.popen.send_signal(self.stop_signal)

    def stop(self, timeout_s: float = 20.0) -> int:
        """Ask the process to end, then end it; return its exit code."""
        self.ask_to_stop()
        return self.wait(timeout_s)

    def kill(self) -> int:
        """End the process as a crash would."""
        if self.running:
            self.popen.kill()
        return self.wait(10.0)

    def wait(self, timeout_s: float) -> int:
        """Wait for the end; kill the process when it takes longer."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait(10.0)

    def last_words(self, max_bytes: int = 2_000) -> str:
        """Return the end of what this process logged, for an error message."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._first_byte if size >= self._first_byte else 0, size - max_bytes))
                return log.read(max_bytes).decode("utf-8", "replace").strip()
        except OSError:
            return ""
