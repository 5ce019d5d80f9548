"""A mutant: a row's day and key come from the clock at the insert, not from the record."""

from __future__ import annotations

import time

import msgspec

from dewey_logs import LogRow, Reject
from godot.__main__ import main
from godot.stream.replies import Entry
from godot.worker.decode import Decoder

decode = Decoder.decode


def late(self: Decoder, entry: Entry, deliveries: int = 1) -> LogRow | Reject:
    found = decode(self, entry, deliveries)
    if isinstance(found, LogRow):
        return msgspec.structs.replace(found, created_at_us=time.time_ns() // 1000)
    return found


Decoder.decode = late  # type: ignore[method-assign]  # the mutation
main()
