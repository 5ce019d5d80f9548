"""A mutant: a row's day and key come from the clock at the insert, not from the record."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from dewey_logs import LogRow, Reject
from godot.__main__ import main
from godot.stream.replies import Entry
from godot.worker.decode import Decoder

decode_all = Decoder.decode_all


def late(
    self: Decoder, entries: Sequence[Entry], deliveries: Sequence[int]
) -> list[LogRow | Reject]:
    return [
        msgspec.structs.replace(found, created_at_us=time.time_ns() // 1000)
        if isinstance(found, LogRow)
        else found
        for found in decode_all(self, entries, deliveries)
    ]


Decoder.decode_all = late  # type: ignore[method-assign]  # the mutation
main()
