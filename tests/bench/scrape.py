"""What a scrape of each program takes, beside ten million stored records and a full stream.

A scrape asks nobody, so neither should show in it. What may show is what else the process is at:
`godot mcp` while it audits the stream, a worker while it drains it. The look at the store, which
runs beside scrapes, reads sizes, estimates and both ends of an index; that grows with the number
of partitions. `GODOT_BENCH_ROWS` makes the store smaller.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dewey_logs import open_store
from godot.embedded.valkey import Valkey
from godot.settings import load
from godot.stream.append import Appender
from tests.bench.corpus import loaded
from tests.bench.stack import records

TIMES = 200
ENTRIES = 100_000
PAGE = 1_000
LONGEST_S = 120.0
PROGRAMS = {
    "dewey": ("dewey_logs", "serve"),
    "mcp": ("godot", "mcp"),
    "worker": ("godot", "worker"),
}
NOT_AUDITED = b'godot_collector_last_success_timestamp_seconds{collector="audit"} 0.0'
DRAINED = b'godot_worker_acked_entries_total{group="dewey",stream="logs"} %d.0' % ENTRIES
Figure = dict[str, object]


class Place(NamedTuple):
    """Where programs run, and with which settings."""

    folder: Path
    environ: dict[str, str]


def run() -> Iterator[Figure]:
    with loaded() as (url, corpus):
        with open_store(url) as store:
            yield from _figures(f"look at {corpus.rows:,} records", _timed(store.measures))
        with _place(url) as here:
            _fill(here)
            with _program(here, "dewey") as (scrape, cpu_s):
                yield from _idle("scrape of dewey", scrape, cpu_s)
            with _program(here, "mcp") as (scrape, cpu_s):
                took = _until(lambda said: NOT_AUDITED not in said, scrape)
                yield from _figures(f"scrape of mcp while it audits {ENTRIES:,} entries", took)
                yield from _idle("scrape of mcp", scrape, cpu_s)
            with _program(here, "worker") as (scrape, cpu_s):
                took = _until(lambda said: DRAINED in said, scrape)
                yield from _figures("scrape of a worker that drains", took)
                yield from _idle("scrape of a worker", scrape, cpu_s)


@contextmanager
def _place(url: str) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="godot-bench-"))
    valkey = Valkey(folder / "valkey", maxmemory="2gb")
    try:
        valkey.start()
        ports = ("GODOT_MCP_PORT", "DEWEY_MCP_PORT", "GODOT_METRICS_PORT")
        environ = {"GODOT_REDIS_URL": valkey.url, "DEWEY_URL": url, "GODOT_DATA_DIR": str(folder)}
        yield Place(folder, {**environ, **dict.fromkeys(ports, "0"), "GODOT_HEARTBEAT_S": "0"})
    finally:
        valkey.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(here: Place) -> None:
    made = records(ENTRIES)
    with Appender(load({**here.environ, "GODOT_MAXLEN": "1000000"})) as appender:
        for start in range(0, ENTRIES, PAGE):
            appender.append(made[start : start + PAGE])


@contextmanager
def _program(here: Place, role: str) -> Iterator[tuple[Callable[[], bytes], Callable[[], float]]]:
    """Run one; give what scrapes it, and what tells the seconds of CPU it has taken."""
    with (here.folder / f"{role}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *PROGRAMS[role]],
            env={**os.environ, **here.environ},
            stdout=log,
            stderr=log,
        )
    path = here.folder / "run" / f"{role}-{process.pid}.json"
    try:
        while not path.exists():
            assert process.poll() is None, Path(log.name).read_text("utf-8")
            time.sleep(0.01)
        url = json.loads(path.read_bytes())["metrics_url"]
        yield lambda: urllib.request.urlopen(url).read(), lambda: _cpu_seconds(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _idle(what: str, scrape: Callable[[], bytes], cpu_s: Callable[[], float]) -> Iterator[Figure]:
    before = cpu_s()
    yield from _figures(what, _timed(scrape))
    cpu_ms = (cpu_s() - before) * 1000 / TIMES
    yield {"what": f"{what}, its CPU", "value": round(cpu_ms, 2), "unit": "ms"}


def _timed(work: Callable[[], object]) -> list[float]:
    """Return the milliseconds of each time."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return took


def _until(seen: Callable[[bytes], bool], scrape: Callable[[], bytes]) -> list[float]:
    """Return the milliseconds of each scrape up to the one that shows something."""
    took = []
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        began = time.perf_counter()
        said = scrape()
        took.append((time.perf_counter() - began) * 1000)
        if seen(said):
            return took
    raise AssertionError("it goes on and on")


def _figures(what: str, took: list[float]) -> Iterator[Figure]:
    p95 = statistics.quantiles(took, n=20)[18] if len(took) > 1 else took[0]
    for name, value in (("p50", statistics.median(took)), ("p95", p95), ("longest", max(took))):
        yield {"what": f"{what}, {name} of {len(took)}", "value": round(value, 2), "unit": "ms"}
