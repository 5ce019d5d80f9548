"""The client where things go wrong, and what it may never cost; each in a process of its own.

Programs find the bytecode of what they import, as installed ones do: where Python may write none
(PYTHONDONTWRITEBYTECODE) an import compiles, and that of redis holds up every thread for 0.1 s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from godot.embedded.valkey import Valkey
from tests.bench.client import FAST_ROUND_NS, server_of_its_own

DEAD = "redis://127.0.0.1:1/0"
RECORDS = 500
IMPORTS = 9

# redis imports OpenTelemetry where there is one, as here for the sake of a peer; most have none.
WORST = """
import sys, time
sys.modules["opentelemetry"] = None
from clientlib import ICCMLogger
log = ICCMLogger("bench")
worst = 0.0
for i in range(100_000):
    start = time.perf_counter()
    log.info("order accepted", {"order_id": i, "ctx": {"ip": "10.0.0.1"}})
    worst = max(worst, time.perf_counter() - start)
    if i % 100 == 0:
        time.sleep(0.0005)
print(worst * 1_000, file=sys.stderr)
"""
LATE = """
import sys, time
late, until = 0.0, time.perf_counter() + 2.0
while (start := time.perf_counter()) < until:
    time.sleep(0.0001)
    late = max(late, time.perf_counter() - start - 0.0001)
print(late * 1_000, file=sys.stderr)
"""
GROWTH = """
import sys
from clientlib import ICCMLogger

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

log = ICCMLogger("bench")
for i in range(1_000):
    log.info("order accepted", {"order_id": i, "ctx": {"ip": "10.0.0.1"}})
log.flush(2)
before = resident_mb()
for i in range(1_000_000):
    log.info("order accepted", {"order_id": i, "ctx": {"ip": "10.0.0.1"}})
print(resident_mb() - before, file=sys.stderr)
"""
EXIT = """
import sys, time
from clientlib import ICCMLogger
log = ICCMLogger("bench")
for i in range(1_000):
    log.info("order accepted", {"order_id": i})
print(time.monotonic(), file=sys.stderr)
"""
IMPORT = """
import time

def loop_ns(rounds=20_000):
    table, value, start = dict.fromkeys(range(64), 1), 0, time.perf_counter_ns()
    for i in range(rounds):
        value = (value + table[i & 63] * 31 ^ i) & 0xFFFF
    return (time.perf_counter_ns() - start) / rounds

before = loop_ns()
start = time.perf_counter()
from clientlib import ICCMLogger
took_ms = (time.perf_counter() - start) * 1_000
print(took_ms, took_ms * 2 / (before + loop_ns()))
"""
LOG_ALL = "from clientlib import ICCMLogger\nlog = ICCMLogger('bench')\n"
LOG_500 = "[log.info(f'm{i}', {'i': i}) for i in range(500)]\n"
ENDS = {
    "normal exit": LOG_ALL + LOG_500,
    "fork child": LOG_ALL + "import os, sys\nif os.fork():\n    os.wait(); sys.exit()\n" + LOG_500,
    "multiprocessing child": LOG_ALL
    + "import multiprocessing\ndef work():\n    "
    + LOG_500
    + "child = multiprocessing.get_context('fork').Process(target=work)\n"
    + "child.start(); child.join()\n",
    "hostile data": LOG_ALL
    + "cycle = {}; cycle['me'] = cycle\n"
    + "class Bad:\n    def __str__(self): raise RuntimeError\n    __repr__ = __str__\n"
    + "hostile = [cycle, Bad(), {'\\ud800': b'\\xff'}, float('nan'), 10**5000]\n"
    + "[log.info(f'm{i}', hostile[i % 5]) for i in range(500)]\n",
}


def run() -> list[dict[str, object]]:
    """Measure everything; one dict for each line of the table."""
    with tempfile.TemporaryDirectory(prefix="godot-bench-") as folder, _bytecode_in(folder):
        _program("import redis\nfrom clientlib import ICCMLogger")
        return _measured()


@contextmanager
def _bytecode_in(folder: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _measured() -> list[dict[str, object]]:
    import_ms, scaled_ms = _import_ms()
    rows = [
        _row("worst call while Redis is dead", _told(WORST), "ms", "5 ms"),
        _row("the latest that a thread of no client wakes up in 2 s", _told(LATE), "ms", ""),
        _row("memory growth, Redis dead, a million records", _told(GROWTH), "MB", "20 MB"),
        _row("exit with Redis dead", _exit_s(), "s", "2.5 s"),
        {**_row("import of clientlib", import_ms, "ms", "60 ms"), "scaled": scaled_ms},
    ]
    with server_of_its_own() as server:
        for name, program in ENDS.items():
            rows.append(_row(f"records lost of {RECORDS}: {name}", _lost(server, program), "", "0"))
    return rows


def _program(code: str, url: str = DEAD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GODOT_REDIS_URL": url, "GODOT_STREAM": "limits"},
        stdout=subprocess.DEVNULL if url == DEAD else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )


def _told(code: str) -> float:
    """Return the figure among what a program said on stderr."""
    lines = _program(code).stderr.splitlines()
    return float(next(line for line in lines if line[0].isdigit() or line[0] == "-"))


def _exit_s() -> float:
    ending = _told(EXIT)
    return time.monotonic() - ending


def _import_ms() -> tuple[float, float]:
    """Return the median of several imports: as measured, and scaled to the machine's fast state."""
    found = []
    for _ in range(IMPORTS):
        done = subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, check=True)
        raw_ms, of_round = map(float, done.stdout.split())
        found.append((raw_ms, of_round * FAST_ROUND_NS))
    raw, scaled = zip(*found, strict=True)
    return statistics.median(raw), round(statistics.median(scaled), 2)


def _lost(server: Valkey, program: str) -> int:
    with redis.Redis.from_url(server.url) as client:
        client.delete("limits")
        _program(program, server.url)
        return RECORDS - client.xlen("limits")


def _row(what: str, value: float, unit: str, target: str) -> dict[str, object]:
    return {"what": what, "value": round(value, 2), "unit": unit, "target": target}
