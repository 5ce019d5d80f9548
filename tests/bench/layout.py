"""The two layouts of the search indexes against each other, and what sealing and retention cost.

What a layout costs at ingest is one thing, what it postpones another: the time that building the
indexes takes is counted with the rows they are of. A writer beside sealing and retention tells how
long it had to wait at worst.
"""

from __future__ import annotations

import resource
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg

from dewey_logs import Batch, LogFilter, open_store
from dewey_logs.layout import Layout
from dewey_logs.partitions import drop_expired, partitions
from dewey_logs.sealing import choose, seal
from tests.bench.store import Rows, batches, copy_seconds, database

SEALED_ROWS = 1_400_000
RATES = (10, 100, 1_000, 5_000, 10_000, 20_000)
RATE_SECONDS = 8.0
HOT_ROWS = 400_000
Figure = dict[str, object]


class Writer:
    """Stores 100 rows of now at a time, without a pause, and keeps how long each took."""

    def __init__(self, url: str, pause_s: float = 0.0) -> None:
        self._url = url
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: list[float] = []

    def _run(self) -> None:
        rows = Rows()
        rows.began_us = time.time_ns() // 1000
        with open_store(self._url) as store:
            while not self._stop.wait(self._pause_s):
                (batch,) = batches(rows.take(100), 100)
                began = time.perf_counter()
                store.write(batch)
                self.seconds.append(time.perf_counter() - began)

    def __enter__(self) -> Writer:
        self._thread.start()
        while len(self.seconds) < 20:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def fill(url: str, count: int, ago: timedelta) -> None:
    """Put rows into the past, by COPY."""
    rows = Rows()
    rows.began_us = int((datetime.now(UTC) - ago).timestamp() * 1_000_000)
    for _ in range(0, count, 50_000):
        copy_seconds(url, rows.take(50_000), 5_000)


def yesterday_noon() -> timedelta:
    now = datetime.now(UTC)
    return now - (now.replace(hour=12, minute=0) - timedelta(days=1))


def sealing() -> Iterator[Figure]:
    """How long a full partition takes to seal, and what a row takes on disk afterwards."""
    with database() as url:
        fill(url, SEALED_ROWS, yesterday_noon())
        with Writer(url, pause_s=0.02) as writer:
            before = len(writer.seconds)
            began = time.perf_counter()
            done = seal(url)
            took = time.perf_counter() - began
            waits = writer.seconds[before:]
        assert len(done.indexed) == 2
        assert len(done.vacuumed) == 1
        largest = max(partitions(url), key=lambda part: part.size_bytes)
        yield {"what": "rows sealed", "value": SEALED_ROWS, "unit": "rows"}
        yield {"what": "sealing, VACUUM included", "value": round(took, 1), "unit": "s"}
        yield {"what": "sealing", "value": round(SEALED_ROWS / took), "unit": "rows/s"}
        yield {"what": "longest write beside sealing", "value": round(max(waits), 3), "unit": "s"}
        yield {
            "what": "bytes on disk a row, indexes included",
            "value": round(largest.size_bytes / SEALED_ROWS),
            "unit": "bytes",
        }
        yield from _searching(url)


def _searching(url: str) -> Iterator[Figure]:
    """What a query over a full partition costs with its indexes, for the choice of the interval."""
    with psycopg.connect(url, autocommit=True) as connection:
        part = max(partitions(url), key=lambda one: one.size_bytes).name
        for what, clause in (
            ("a rare word by scan", "message ILIKE '%zzyzx%'"),
            (
                "a rare word by index",
                "to_tsvector('simple', left(message, 8192)) @@ to_tsquery('simple', 'zzyzx')",
            ),
            ("a JSON value by scan", "data::text LIKE '%\"order\": -1}%'"),
            ("a JSON value by index", "data @> '{\"order\": -1}'"),
        ):
            began = time.perf_counter()
            connection.execute(f"SELECT count(*) FROM {part} WHERE {clause}").fetchone()
            took_ms = (time.perf_counter() - began) * 1000
            yield {"what": f"{what}, 1.4 million rows", "value": round(took_ms, 1), "unit": "ms"}


def retention() -> Iterator[Figure]:
    """How long a writer waits while a day is dropped that a reader holds."""
    with database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT dewey_ensure_partition(now() - interval '9 days')")
        fill(url, 200_000, timedelta(days=9))
        with psycopg.connect(url) as reader, Writer(url) as writer:
            reader.execute("SELECT count(*) FROM logs").fetchone()
            before = len(writer.seconds)
            first = drop_expired(url, 7)
            reader.rollback()
            second = drop_expired(url, 7)
            waits = writer.seconds[before:]
        assert not first
        assert len(second) >= 1
        yield {"what": "longest write beside retention", "value": round(max(waits), 3), "unit": "s"}
        yield {"what": "writes beside retention", "value": len(waits), "unit": ""}


def paced(url: str, rate: int) -> tuple[float, float, float]:
    """Store at a rate; return rows a second reached, and p50 and p99 of a batch in seconds."""
    rows, size = Rows(), min(1_000, max(1, rate // 10))
    rows.began_us = time.time_ns() // 1000
    made: Sequence[Batch] = batches(rows.take(int(rate * RATE_SECONDS)), size)
    seconds = []
    with open_store(url) as store:
        begin = time.perf_counter()
        for number, batch in enumerate(made, start=1):
            began = time.perf_counter()
            store.write(batch)
            seconds.append(time.perf_counter() - began)
            pause = begin + number * size / rate - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
        reached = rate * RATE_SECONDS / (time.perf_counter() - begin)
    cuts = statistics.quantiles(seconds, n=100)
    return reached, cuts[49], cuts[98]


@contextmanager
def hot(layout: str) -> Iterator[str]:
    """A store of one layout whose current partition has rows already."""
    with database() as url:
        choose(url, Layout(search_index=layout))
        fill(url, HOT_ROWS, timedelta(minutes=5))
        seal(url)
        yield url


def rates() -> Iterator[Figure]:
    """Each layout at rates from 10 records a second to more than there is room for."""
    for layout in ("sealed", "live"):
        with hot(layout) as url:
            for rate in RATES:
                busy = _busy_seconds()
                reached, p50, p99 = paced(url, rate)
                busy = _busy_seconds() - busy
                where = f"{layout}, {rate:,}/s offered"
                yield {"what": f"{where}: stored", "value": round(reached), "unit": "rows/s"}
                yield {"what": f"{where}: batch p50", "value": round(p50 * 1000, 1), "unit": "ms"}
                yield {"what": f"{where}: batch p99", "value": round(p99 * 1000, 1), "unit": "ms"}
                yield {
                    "what": f"{where}: our CPU a record",
                    "value": round(busy / (rate * RATE_SECONDS) * 1e6, 1),
                    "unit": "µs",
                }
            with open_store(url) as store:
                began = time.perf_counter()
                store.query(LogFilter(search="zzyzx", since="1h"))
                took_ms = (time.perf_counter() - began) * 1000
            yield {
                "what": f"{layout}: a word that is not there, current partition",
                "value": round(took_ms),
                "unit": "ms",
            }


def _busy_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run() -> list[Figure]:
    return [*sealing(), *retention(), *rates()]
