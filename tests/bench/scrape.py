"""What a scrape of Dewey's metrics takes, and the look at the store that feeds it.

A scrape asks nobody, so the store's size should not show in it; the look reads sizes, estimates and
both ends of an index, which grow with the number of partitions. `GODOT_BENCH_ROWS` makes the store
smaller.
"""

from __future__ import annotations

import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry

from dewey_logs import DeweyError, exposition
from dewey_logs.server import Backend, build
from dewey_logs.tools import Lookout, MeasuredStore
from tests.bench.corpus import loaded

TIMES = 100
Figure = dict[str, object]


def run() -> Iterator[Figure]:
    with loaded() as (url, corpus), Backend(url, None, None, 7) as backend:
        registry = CollectorRegistry()
        build(backend, registry)
        measured = MeasuredStore(backend.store)
        lookout = Lookout(registry, [measured], (DeweyError,))
        yield from _timed(f"look at {corpus.rows:,} records", lambda: lookout.look(measured))
        with exposition.serve(
            port=0,
            host="127.0.0.1",
            role="dewey",
            registry=registry,
            ready=lambda: {"postgres": measured.up},
            data_dir=None,
        ) as server:
            address = f"http://127.0.0.1:{server.port}/metrics"
            yield from _timed("scrape", lambda: _fetched(address))


def _fetched(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        assert b"godot_store_records" in answer.read()


def _timed(what: str, work: Callable[[], None]) -> Iterator[Figure]:
    seconds = []
    cpu_s = time.process_time()
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    for name, value in (
        ("p50", statistics.median(seconds)),
        ("p95", statistics.quantiles(seconds, n=20)[18]),
    ):
        yield {"what": f"{what}, {name}", "value": round(value * 1000, 2), "unit": "ms"}
    cpu_ms = (time.process_time() - cpu_s) * 1000 / TIMES
    yield {"what": f"{what}, our CPU", "value": round(cpu_ms, 2), "unit": "ms"}
