"""Passes bytes from one descriptor to another, unchanged, and notes them on the way.

What is noted is noted first: an answer can then never be noted before its request. A side that goes
away is told to the other by closing what leads to it, as the kernel would without a tap between.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress

READ_BYTES = 1 << 16


def pump(
    source: int,
    sink: int,
    note: Callable[[bytes], None],
    change: Callable[[bytes], bytes] | None = None,
) -> None:
    """Pass on until either side is gone, then close both. `change` may hold back what is no whole
    line, and gets b"" at the end."""
    try:
        while _readable(source, sink):
            chunk = os.read(source, READ_BYTES)
            passed = change(chunk) if change else chunk
            if passed:
                note(passed)
                _write(sink, passed)
            if not chunk:
                return
    except OSError:
        return
    finally:
        for descriptor in (sink, source):
            with suppress(OSError):
                os.close(descriptor)


def _readable(source: int, sink: int) -> bool:
    """Wait for bytes; False when nobody reads the other side any more."""
    poller = select.poll()
    poller.register(source, select.POLLIN)
    poller.register(sink, 0)  # errors alone
    ready = dict(poller.poll())
    return source in ready or sink not in ready


def _write(sink: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(sink, rest) :]
        except BlockingIOError:  # another process that has this pipe, too, made it so
            poller = select.poll()
            poller.register(sink, select.POLLOUT)
            poller.poll()
