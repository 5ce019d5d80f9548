"""A worker that dies of one record: what a segfault in a decoder would do, made to order."""

from __future__ import annotations

import os
import signal
import sys

from godot.settings import load
from godot.stream.replies import Entry
from godot.worker import loop
from godot.worker.decode import Decoder

decode = Decoder.decode


def deadly(self: Decoder, entry: Entry, deliveries: int = 1):
    if entry.fields.get(b"message") == b"poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(self, entry, deliveries)


Decoder.decode = deadly  # type: ignore[method-assign]
sys.exit(loop.run(load()))
