"""End-to-end delay at a steady rate: from the log call to the commit, as PostgreSQL dates it."""

from __future__ import annotations

import time

import psycopg

from clientlib import ICCMLogger
from tests.bench.stack import stack

RATE = 1_000
SECONDS = 15


def run() -> list[dict[str, object]]:
    with stack() as here, here.worker():
        logger = ICCMLogger(component="bench", redis_url=here.valkey.url)
        begin = time.perf_counter()
        for i in range(RATE * SECONDS):
            logger.info(f"tick {i}", {"i": i, "user": "someone", "ok": True})
            pause = begin + (i + 1) / RATE - time.perf_counter()
            if pause > 0.001:
                time.sleep(pause)
        logger.close()
        with psycopg.connect(here.postgres.url("dewey"), autocommit=True) as connection:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                row = connection.execute("SELECT count(*) FROM logs").fetchone()
                if row and row[0] >= RATE * SECONDS:
                    break
                time.sleep(0.1)
            found = connection.execute(
                """
                SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY
                         extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at) * 1000)
                FROM logs WHERE created_at > (SELECT min(created_at) + '2 s' FROM logs)
                """
            ).fetchone()
    assert found is not None
    p50, p99 = found[0]
    return [
        {"what": f"delay to the commit at {RATE}/s, p50", "value": round(p50), "unit": "ms"},
        {"what": f"delay to the commit at {RATE}/s, p99", "value": round(p99), "unit": "ms"},
    ]
