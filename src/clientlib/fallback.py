"""While Redis is away: the records on stdout, one line on stderr, and when to try again.

Everything is written with `os.write` by the sender's thread. `sys.stdout` would share a lock with
the program, and a child forked while it is held hangs. A pipe that nobody reads must not stop the
sender either: it is polled first and given at most 4 KiB at a time, which a pipe that polls as
writable takes without blocking.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable

import msgspec

from clientlib.resp import fields_of
from clientlib.turns import Turn

PIPE_BYTES = 4_096  # PIPE_BUF: a line up to this length is not torn by another writer's
STDOUT_PATIENCE_MS = 250
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
HURRIED_RETRY_S = 0.25  # while somebody waits in flush
_encode = msgspec.json.Encoder().encode


def say(text: str) -> None:
    """Write one line about ourselves to stderr; nothing where there is none, or it is full."""
    line = f"godot: {' '.join(text.split())}\n"
    try:
        if sys.__stderr__ is not None and not sys.__stderr__.closed and _takes(2, 0):
            os.write(2, line.encode("utf-8", "replace")[:PIPE_BYTES])
    except (OSError, ValueError):
        return


def _takes(descriptor: int, patience_ms: int) -> bool:
    """Say whether it takes PIPE_BYTES without blocking, by then at the latest."""
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return bool(poller.poll(patience_ms))


def line_of(command: bytes) -> bytes:
    """Return a record as one JSON line: the fields of the stream entry, `data` as an object."""
    found: dict[str, object] = {}
    for name, value in fields_of(command).items():
        found[name.decode()] = msgspec.Raw(value) if name == b"data" else value.decode()
    return _encode(found) + b"\n"


class Printer:
    """Prints records on stdout; never waits long for it."""

    def __init__(self, descriptor: int = 1, turn: Turn | None = None) -> None:
        self._descriptor = descriptor
        self._turn = turn or Turn()
        self._patience_ms = STDOUT_PATIENCE_MS
        self._torn = False  # the last line was cut short: a new one has to begin
        self.printed = 0

    def be_patient(self) -> None:
        """Wait for stdout once more, whatever it did before: these are the last words."""
        self._patience_ms = STDOUT_PATIENCE_MS

    def print(self, commands: list[bytes]) -> int:
        """Print the records as JSON lines; return how many of them, the first ones, it took."""
        before = self.printed
        chunk: list[bytes] = []
        size = 0
        for command in commands:
            line = line_of(command)
            if chunk and size + len(line) > PIPE_BYTES:
                if not self._write(chunk):
                    return self.printed - before
                chunk, size = [], 0
                self._turn.share()
            chunk.append(line)
            size += len(line)
        if chunk:
            self._write(chunk)
        return self.printed - before

    def _write(self, lines: list[bytes]) -> bool:
        """Write whole lines; after a refusal do not wait again until stdout takes something."""
        rest = memoryview(b"".join((b"\n" * self._torn, *lines)))
        try:
            if sys.__stdout__ is None or sys.__stdout__.closed:
                raise OSError("this program has no stdout")
            while rest:
                if not _takes(self._descriptor, self._patience_ms):
                    raise TimeoutError("stdout does not take anything")
                rest = rest[os.write(self._descriptor, rest[:PIPE_BYTES]) :]
                self._torn = bool(rest)
        except (OSError, ValueError):
            self._patience_ms = 0
            return False
        self._patience_ms = STDOUT_PATIENCE_MS
        self.printed += len(lines)
        return True


class Outage:
    """Whether delivery fails, since when, and when to try again.

    Waiting times double from 0.1 to 5 s, with jitter so that a fleet does not return at once. One
    line says that it began and why, one that it is over, however often it is tried in between.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._jitter = jitter or _random
        self._since: float | None = None
        self._retry_at = 0.0
        self._failures = 0
        self.count = 0

    def __bool__(self) -> bool:
        return self._since is not None

    @property
    def wait_s(self) -> float:
        """Return how long to wait before the next attempt."""
        left_s = self._retry_at - self._clock()
        # more is a clock that was set back, as those are that stand still in a program's tests
        return left_s if 0.0 < left_s < 2 * LAST_RETRY_S else 0.0

    def failed(self, place: str, reason: str, *, hurried: bool = False) -> None:
        """Note a failed attempt; the first one is told."""
        delay_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self._failures, 10))
        delay_s *= 0.5 + self._jitter() / 2
        self._failures += 1
        self._retry_at = self._clock() + (min(delay_s, HURRIED_RETRY_S) if hurried else delay_s)
        if self._since is None:
            self._since = self._clock()
            self.count += 1
            say(
                f"{place} does not take records ({reason}); "
                "they are printed on stdout as JSON until it does"
            )

    def over(self, place: str, account: str) -> None:
        """Note that a whole batch was taken; tell it when there was an outage."""
        self._failures = 0
        if self._since is not None:
            lasted_s, self._since = self._clock() - self._since, None
            say(f"{place} takes records again after {lasted_s:.1f} s: {account}")


def _random() -> float:
    """Return a number below 1; the generator of `random` may be seeded, and is the program's."""
    return int.from_bytes(os.urandom(4)) / (1 << 32)
