"""The pipe from whoever passes traffic on to whoever records it; it never makes the former wait.

What is put is queued in memory and written by a thread. When the reader falls behind by more than
MAX_HELD_BYTES, what comes is counted instead, and the count travels before the next piece that is
taken: the reader then knows that a line has a hole. A reader that is gone ends the recording and
nothing else.
"""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple

MAX_HELD_BYTES = 64 << 20
PIECE_BYTES = 256  # what a piece takes beside its payload
PIPE_BYTES = 1 << 20
_HEAD = struct.Struct("!BIqI")  # kind, channel, monotonic ns, bytes that follow
_LOST = struct.Struct("!Bq")  # kind, bytes


class Kind(IntEnum):
    """What a piece is: bytes of one direction, or something about them."""

    TO_SERVER = 0
    TO_CLIENT = 1
    STDERR = 2
    LOST = 3
    ABOUT = 4  # a JSON object: how an HTTP exchange began or ended; on channel 0, how the tap did


class Piece(NamedTuple):
    """Some bytes as they passed; `channel` is 0, or the number of an HTTP exchange."""

    kind: Kind
    channel: int
    at_ns: int
    payload: bytes


class Feed:
    """The writing end; `put` costs about two microseconds and may be called by any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _widen(descriptor)
        self._queue: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held = 0
        self._lost: dict[tuple[Kind, int], int] = {}
        self._thread = threading.Thread(target=self._write, daemon=True)
        # a signal that this thread did not block would end the tap instead of passing through
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def put(self, kind: Kind, payload: bytes, channel: int = 0) -> None:
        """Queue a piece, stamped now; pieces are read in the order in which they were put."""
        now_ns = time.monotonic_ns()
        with self._lock:
            # how an exchange begins and ends is small, and the reader depends on it
            if kind is not Kind.ABOUT and self._held + len(payload) > MAX_HELD_BYTES - PIECE_BYTES:
                self._lost[kind, channel] = self._lost.get((kind, channel), 0) + len(payload)
                return
            self._held += len(payload) + PIECE_BYTES
            self._tell_lost(now_ns)
            self._queue.put((_HEAD.pack(kind, channel, now_ns, len(payload)), payload))

    def close(self, timeout_s: float) -> None:
        """Let the reader see the end once it has read everything, or after the time given."""
        with self._lock:
            self._tell_lost(time.monotonic_ns())
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _tell_lost(self, now_ns: int) -> None:
        for (kind, channel), count in self._lost.items():
            told = _LOST.pack(kind, count)
            self._held += len(told) + PIECE_BYTES
            self._queue.put((_HEAD.pack(Kind.LOST, channel, now_ns, len(told)), told))
        self._lost.clear()

    def _write(self) -> None:
        reader_gone = False
        while (piece := self._queue.get()) is not None:
            head, payload = piece
            if not reader_gone:
                reader_gone = not (self._all(head) and self._all(payload))
            with self._lock:
                self._held -= len(payload) + PIECE_BYTES
        os.close(self._descriptor)

    def _all(self, payload: bytes) -> bool:
        rest = memoryview(payload)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return False
        return True


def _widen(descriptor: int) -> None:
    """Let the kernel hold as much as it may: that much survives a SIGKILL of ours."""
    with suppress(OSError, AttributeError):  # AttributeError: only Linux has it
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def pieces(descriptor: int) -> Iterator[Piece]:
    """Yield what was put, until the writer is done or dead."""
    with os.fdopen(descriptor, "rb", 1 << 16) as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, channel, at_ns, size = _HEAD.unpack(head)
            payload = file.read(size)
            if len(payload) < size and kind in (Kind.ABOUT, Kind.LOST):
                return  # the writer died over it; of bytes that passed the beginning counts
            yield Piece(Kind(kind), channel, at_ns, payload)


def pieces_ahead(descriptor: int, ended: Callable[[], None]) -> Iterator[Piece]:
    """Yield the same, and read up to MAX_HELD_BYTES ahead: the writer need not wait for the taker.

    `ended` is called, by another thread, as soon as the writer is done, whatever is yielded after.
    """
    waiting: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
    changed = threading.Condition()
    held = 0

    def read() -> None:
        nonlocal held
        try:
            for piece in pieces(descriptor):
                with changed:
                    while held >= MAX_HELD_BYTES:
                        changed.wait()
                    held += len(piece.payload) + PIECE_BYTES
                waiting.put(piece)
            ended()
        finally:
            waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (piece := waiting.get()) is not None:
        yield piece
        with changed:
            held -= len(piece.payload) + PIECE_BYTES
            changed.notify()


def lost(piece: Piece) -> tuple[Kind, int]:
    """Return of which kind how many bytes are missing: for a piece of kind LOST."""
    kind, count = _LOST.unpack(piece.payload)
    return Kind(kind), count
