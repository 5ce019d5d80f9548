"""Looks at a stream that nobody took: what a snapshot would hold, changed where a test wants it."""

from __future__ import annotations

from typing import Any

from dewey_logs import StoreTotals
from godot.snapshot import Snapshot
from godot.stream.groups import ConsumerInfo, Group
from godot.stream.ids import StreamID
from godot.stream.producers import ProducerInfo
from godot.stream.rate import Rate
from godot.stream.snapshot import StreamSnapshot

STORE = StoreTotals(
    rows=1_204_331,
    rows_exact=False,
    bytes=10 * 2**30,
    oldest="2026-11-15T00:00:00.000000Z",
    newest="2026-11-22T13:00:00.000000Z",
    partitions=11,
    rejected_open=2,
)


def group(**changed: object) -> Group:
    given = {
        "name": "dewey",
        "exists": True,
        "last_delivered_id": StreamID(2, 0),
        "read": 20_000,
        "undelivered": 0,
        "undelivered_since_ms": None,
        "pending": 0,
        "pending_since_ms": None,
        "overrun": 0,
        "waiting_ms": 0,
        "consumers": (ConsumerInfo("w", 0, 5, 5, True),),
        "state": "ok",
    }
    return Group(**(given | changed))  # type: ignore[arg-type]  # mixed values


def look(entries: Any = 18_304, **changed: object) -> StreamSnapshot:
    return StreamSnapshot(
        stream="logs",
        now_ms=100_000,
        at_s=0.0,
        exists=True,
        entries=entries,
        limit=100_000,
        added=20_000,
        first_id=StreamID(1, 0),
        last_id=StreamID(2, 0),
        bytes=9 * 2**20,
        group=group(**changed),
        others=(),
        memory_bytes=12 * 2**20,
        memory_limit_bytes=512 * 2**20,
        server_version="valkey 9.1.2",
        producers=(ProducerInfo(7, 1_204, "shop", "box", 812, "0.1.0", "2026-11-22T12:00:00Z", 3),),
    )


def status(
    stream: StreamSnapshot | None, store: StoreTotals | None = STORE, rate: Rate | None = None
) -> Snapshot:
    return Snapshot("logs", "dewey", stream, store, rate=rate)
