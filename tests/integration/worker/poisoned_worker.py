"""A worker that dies of one record: what a segfault in a decoder would do, made to order.

With the argument `receive` it dies as soon as the entry arrives, as of one larger than its memory.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from dewey_logs import LogRow, Reject
from godot.settings import load
from godot.stream import group, reclaim, replies
from godot.stream.replies import Entry
from godot.worker import loop
from godot.worker.decode import Decoder

decode_all = Decoder.decode_all
received = replies.entries


def die_of_any(found: Sequence[Entry]) -> None:
    if any(entry.fields.get(b"message") == b"poison" for entry in found):
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(
    self: Decoder, entries: Sequence[Entry], deliveries: Sequence[int]
) -> list[LogRow | Reject]:
    die_of_any(entries)
    return decode_all(self, entries, deliveries)


def deadly_received(raw: Sequence[Any] | None) -> list[Entry]:
    found = received(raw)
    die_of_any(found)
    return found


Decoder.decode_all = deadly  # type: ignore[method-assign]  # the mutation
if "receive" in sys.argv:
    for module in (replies, group, reclaim):
        setattr(module, "entries", deadly_received)  # noqa: B010  # a name that they only import
sys.exit(loop.run(load()))
