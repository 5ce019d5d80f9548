"""A worker that dies of one record: what a segfault in a decoder would do, made to order.

With the argument `receive` it dies as soon as the entry arrives, as of one larger than its memory.
"""

from __future__ import annotations

import os
import signal
import sys

from godot.settings import load
from godot.stream import replies
from godot.stream.replies import Entry
from godot.worker import loop
from godot.worker.decode import Decoder

decode = Decoder.decode
received = replies.entry


def die(entry: Entry) -> None:
    if entry.fields.get(b"message") == b"poison":
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(self: Decoder, entry: Entry, deliveries: int = 1):
    die(entry)
    return decode(self, entry, deliveries)


def deadly_received(raw: object) -> Entry:
    entry = received(raw)
    die(entry)
    return entry


Decoder.decode = deadly  # type: ignore[method-assign]  # the mutation
if "receive" in sys.argv:
    replies.entry = deadly_received
sys.exit(loop.run(load()))
