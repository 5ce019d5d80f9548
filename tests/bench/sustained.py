"""What one worker moves over two million records, the index building that it postpones included."""

from __future__ import annotations

import time

import psycopg

from dewey_logs.layout import Layout
from dewey_logs.sealing import choose, seal
from tests.bench.drain import drained_seconds, fill
from tests.bench.stack import stack
from tests.bench.store import copy_ceiling

ROUNDS, ENTRIES = 8, 250_000


def run() -> list[dict[str, object]]:
    total = ROUNDS * ENTRIES
    drained = 0.0
    memory = 0.0
    with stack() as here:
        url = here.postgres.url("dewey")
        for number in range(1, ROUNDS + 1):
            fill(here, ENTRIES)
            seconds, memory_mb = drained_seconds(here, ENTRIES, already=(number - 1) * ENTRIES)
            drained += seconds
            memory = max(memory, memory_mb)
        ceiling = copy_ceiling(url, 100_000)
        choose(url, Layout(search_index="live"))  # it will end some time: do what is done then
        with psycopg.connect(url, autocommit=True) as connection:
            began = time.perf_counter()
            done = seal(url)
            (today,) = connection.execute("SELECT dewey_partition_of(now())").fetchone() or ("",)
            connection.execute(f"VACUUM (FREEZE, ANALYZE) {today}")
            sealing = time.perf_counter() - began
        assert len(done.indexed) == 2
    rate = total / drained
    return [
        {"what": "stream to table, 2 million records", "value": round(rate), "unit": "records/s"},
        {"what": "sealing them afterwards", "value": round(sealing, 1), "unit": "s"},
        {
            "what": "stream to table, sealing included",
            "value": round(total / (drained + sealing)),
            "unit": "records/s",
        },
        {"what": "of the COPY ceiling", "value": round(rate / ceiling, 2), "unit": "ratio"},
        {"what": "worker memory, peak", "value": round(memory, 1), "unit": "MB"},
    ]
