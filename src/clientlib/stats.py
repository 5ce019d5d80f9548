"""What the client of one process tells of itself, to the program that asks."""

from __future__ import annotations

import msgspec


class ClientStats(msgspec.Struct, frozen=True):
    """What one process's client did so far.

    `state` is idle (nothing logged yet), delivering or outage. `queued` and `waiting` are records
    on their way; `dropped` counts by reason.
    """

    state: str
    producer: str
    queued: int
    waiting: int
    sent: int
    printed: int
    redacted: int
    outages: int
    dropped: dict[str, int]
