"""A worker that dies of one record: what a segfault in a decoder would do, made to order.

With the argument `receive` it dies as soon as the entry arrives, as of one larger than its memory.
Each time it is started again, as a process of its own, up to MAX_STARTS; every start is a line on
stdout. A fork costs a hundredth of what starting Python and importing everything does.
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

MAX_STARTS = 40

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


def live() -> int:
    """Be a worker in a child; return how that ended, as os.waitstatus_to_exitcode does."""
    child = os.fork()
    if not child:
        try:
            os._exit(loop.run(load()))
        finally:
            os._exit(1)
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for _ in range(MAX_STARTS):
    print("started", flush=True)
    code = live()
    if code != -signal.SIGKILL:
        sys.exit(code)
sys.exit("the poison was never condemned")
