"""How fast one worker empties a full stream, against the ceiling measured in the same run."""

from __future__ import annotations

import time

import redis

from godot.stream.append import Appender
from tests.bench.stack import Stack, peak_memory_mb, records, stack
from tests.bench.store import copy_ceiling

ENTRIES = 100_000


def fill(here: Stack, count: int) -> float:
    """Append `count` records; return the mean size of an entry in bytes."""
    made = records(count)
    with Appender(here.settings(GODOT_MAXLEN="1000000")) as appender:
        for start in range(0, count, 1_000):
            appender.append(made[start : start + 1_000])
    return sum(record.size() for record in made) / count


def drained_seconds(here: Stack, count: int, already: int = 0) -> tuple[float, float]:
    """Run one worker until nothing is left; return its seconds and its peak memory in MB.

    `already` is how many entries the group was given before.
    """
    client = redis.Redis.from_url(here.valkey.url)
    began = 0.0
    with here.worker() as process:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            groups = client.xinfo_groups("logs")
            read = (groups[0]["entries-read"] or 0) - already if groups else 0
            if read > 0 and not began:
                began = time.perf_counter()
                first = read
            if read >= count and not groups[0]["pending"]:
                seconds = time.perf_counter() - began
                return seconds * count / (count - first), peak_memory_mb(process.pid)
            time.sleep(0.01)
    raise AssertionError("the worker did not drain the stream within 300 s")


def run() -> list[dict[str, object]]:
    with stack() as here:
        entry_bytes = fill(here, ENTRIES)
        seconds, memory_mb = drained_seconds(here, ENTRIES)
        rate = ENTRIES / seconds
        ceiling = copy_ceiling(here.postgres.url("dewey"), ENTRIES)
    return [
        {"what": "size of an entry", "value": round(entry_bytes), "unit": "bytes"},
        {"what": "drain of one worker", "value": round(rate), "unit": "records/s"},
        {"what": "ceiling: COPY of encoded rows", "value": round(ceiling), "unit": "rows/s"},
        {"what": "drain / ceiling", "value": round(rate / ceiling, 2), "unit": "ratio"},
        {"what": "worker memory, peak", "value": round(memory_mb, 1), "unit": "MB"},
    ]
