"""Storing through a Dewey behind HTTP, beside storing into PostgreSQL: latency and throughput."""

from __future__ import annotations

import time
import uuid
from statistics import quantiles

import redis

from clientlib import parse_record_id
from dewey_logs import Batch, LogFilter, LogRow, Source, Store, open_store
from tests.bench.drain import drained_seconds, fill
from tests.bench.servers import serving
from tests.bench.stack import records, stack

ENTRIES = 50_000
CALLS = 200


def rows(count: int) -> tuple[LogRow, ...]:
    """Make rows as a worker does of entries of about 300 bytes."""
    made = []
    for number, record in enumerate(records(count), 1):
        ours = parse_record_id(record.id)
        assert ours is not None
        fields = [part for pair in record.fields() for part in pair]
        data = dict(record.fields()).get(b"data")
        made.append(
            LogRow(
                id=uuid.UUID(record.id).bytes,
                created_at_us=time.time_ns() // 1_000,
                component=record.component,
                level=str(record.level),
                message=record.message,
                trace_id=record.trace_id,
                data=data,
                producer=ours.producer,
                sequence=ours.sequence,
                source=Source(f"{number}-0", fields),
            )
        )
    return tuple(made)


def milliseconds(store: Store, size: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of a write of `size` records."""
    taken = []
    for _ in range(CALLS if size == 1 else CALLS // 10):
        batch = Batch(stream="bench", rows=rows(size))
        began = time.perf_counter()
        store.write(batch)
        taken.append((time.perf_counter() - began) * 1000)
    found = quantiles(taken, n=100)
    return found[49], found[98]


def asked_milliseconds(store: Store) -> float:
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        store.query(LogFilter(limit=20))
        taken.append((time.perf_counter() - began) * 1000)
    return quantiles(taken, n=100)[49]


def run() -> list[dict[str, object]]:
    figures: list[dict[str, object]] = []

    def add(what: str, value: float, unit: str) -> None:
        figures.append({"what": what, "value": round(value, 2), "unit": unit})

    with stack() as here, serving(here, "dewey") as url:
        for way, address in (("into PostgreSQL", here.environ["DEWEY_URL"]), ("by MCP", url)):
            with open_store(address) as store:
                for size in (1, 1_000):
                    middle, late = milliseconds(store, size)
                    add(f"a write of {size} {way}, p50", middle, "ms")
                    add(f"a write of {size} {way}, p99", late, "ms")
                add(f"a query of 20 rows {way}, p50", asked_milliseconds(store), "ms")
            redis.Redis.from_url(here.valkey.url).delete("logs")
            fill(here, ENTRIES)
            here.environ["DEWEY_URL"] = address
            seconds, _ = drained_seconds(here, ENTRIES)
            add(f"drain of one worker {way}", ENTRIES / seconds, "records/s")
    return figures
