"""What one worker moves over two million records, the index building that it postpones included."""

from __future__ import annotations

import time
from unittest.mock import patch

from dewey_logs import sealing
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
        with patch.object(sealing, "OVER_S", -2 * 86_400):  # it will end some time: as if it had
            began = time.perf_counter()
            done = sealing.seal(url)
            sealing_s = time.perf_counter() - began
        assert (len(done.indexed), len(done.vacuumed)) == (2, 1)
    rate = total / drained
    return [
        {"what": "stream to table, 2 million records", "value": round(rate), "unit": "records/s"},
        {"what": "sealing them afterwards", "value": round(sealing_s, 1), "unit": "s"},
        {
            "what": "stream to table, sealing included",
            "value": round(total / (drained + sealing_s)),
            "unit": "records/s",
        },
        {"what": "of the COPY ceiling", "value": round(rate / ceiling, 2), "unit": "ratio"},
        {"what": "worker memory, peak", "value": round(memory, 1), "unit": "MB"},
    ]
