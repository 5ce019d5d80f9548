"""What a log call costs its caller, and how fast one process fills the stream.

The machine flips between a fast and a slow state, so each repeat is bracketed by a fixed loop, and
figures are given twice: as the clock showed them, and scaled to the state in which one round of
that loop takes 90 ns (the fastest seen there). The loop around the calls and the making of the data
are subtracted.

Run alone: `python -m tests.bench.client`.
"""

from __future__ import annotations

import gc
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from clientlib import ICCMLogger
from godot.embedded.valkey import Valkey

FAST_ROUND_NS = 90.0
REPEATS = 40
CALLS = 2_000  # fewer than half the buffer: the caller's cost is measured, not the sender's
SUSTAINED = 200_000
TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"


class Cost(NamedTuple):
    """Nanoseconds per call: as measured, and scaled to the machine's fast state."""

    raw_best: float
    raw_median: float
    scaled_best: float
    scaled_median: float


def fixed_round_ns(rounds: int = 20_000, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Return what one round of a fixed piece of Python takes right now."""
    table = dict.fromkeys(range(64), 1)
    value = 0
    start = clock()
    for i in range(rounds):
        value = (value + table[i & 63] * 31 ^ i) & 0xFFFF
    return (clock() - start) / rounds


def data_of(i: int) -> dict[str, object]:
    return {"order_id": i, "user": "alice", "amount": 99.5, "ctx": {"ip": "10.0.0.1", "ok": True}}


def measure(
    body: Callable[[], None],
    empty: Callable[[], None],
    settle: Callable[[], None],
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Cost:
    """Time `body` against `empty`, both of CALLS calls; `settle` runs between, unmeasured.

    The fixed loop goes by the same clock: where CPU time is asked for, other programs do not count.
    """
    rounds: list[tuple[float, float, float]] = []  # a call, an empty round, the scale
    for _ in range(REPEATS):
        settle()
        gc.collect()
        before = fixed_round_ns(clock=clock)
        start = clock()
        body()
        middle = clock()
        empty()
        end = clock()
        scale = FAST_ROUND_NS / ((before + fixed_round_ns(clock=clock)) / 2)
        rounds.append(((middle - start) / CALLS, (end - middle) / CALLS, scale))
    loop = statistics.median(none for _, none, _ in rounds)
    scaled_loop = statistics.median(none * scale for _, none, scale in rounds)
    return Cost(
        raw_best=min(call for call, _, _ in rounds) - loop,
        raw_median=statistics.median(call for call, _, _ in rounds) - loop,
        scaled_best=min(call * scale for call, _, scale in rounds) - scaled_loop,
        scaled_median=statistics.median(call * scale for call, _, scale in rounds) - scaled_loop,
    )


def enabled_call(log: ICCMLogger) -> Cost:
    """Measure the caller's share of a call with nested data and a trace id."""

    def body() -> None:
        info = log.info
        for i in range(CALLS):
            info("order accepted", data_of(i), TRACE)

    return measure(body, _loop_with_data, lambda: wait(log))


def disabled_call(log: ICCMLogger) -> Cost:
    """Measure a call below the level, with data that exists already."""
    data = data_of(0)

    def body() -> None:
        debug = log.debug
        for _ in range(CALLS):
            debug("order accepted", data, TRACE)

    def empty() -> None:
        for _ in range(CALLS):
            pass

    return measure(body, empty, lambda: None)


class Sustained(NamedTuple):
    """Records a second until the stream has them all, CPU of the process, what was dropped."""

    rate: float
    cpu_us: float
    dropped: int


def sustained(server: Valkey, stream: str) -> Sustained:
    """Log as fast as one thread can, and wait for the last record to be in the stream."""
    log = ICCMLogger("bench", redis_url=server.url, stream=stream)
    log.info("first")  # starts the thread and imports redis, outside the measurement
    wait(log)
    start, cpu_start = time.perf_counter(), time.process_time()
    for i in range(SUSTAINED):
        log.info("order accepted", data_of(i), TRACE)
    wait(log)
    took_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    with redis.Redis.from_url(server.url) as client:
        added = client.xinfo_stream(stream)["entries-added"]
    stats = log.stats()
    dropped = sum(stats.dropped.values())
    receipts = added - 1 - (SUSTAINED - dropped)
    assert receipts >= 0, f"{added} entries, {dropped} dropped of {SUSTAINED}"
    log.close()
    return Sustained((SUSTAINED - dropped) / took_s, cpu_s / SUSTAINED * 1e6, dropped)


def run() -> list[dict[str, object]]:
    """Measure everything; one dict for each figure."""
    with server_of_its_own() as server:
        log = ICCMLogger("bench", redis_url=server.url, stream="cost", level="INFO")
        log.info("first")
        wait(log)
        enabled, disabled = enabled_call(log), disabled_call(log)
        log.close()
        runs = [sustained(server, f"sustained-{i}") for i in range(3)]
    return [
        _cost("one enabled log call, caller's cost", enabled, target="3 µs raw"),
        _cost("one disabled log call", disabled, target="100 ns scaled"),
        {
            "what": "one process into the stream, sustained",
            "value": round(statistics.median(run.rate for run in runs)),
            "unit": "records/s",
            "best": round(max(run.rate for run in runs)),
            "dropped": sum(run.dropped for run in runs),
            "records": SUSTAINED,
            "target": "60,000 records/s",
        },
        {
            "what": "CPU per delivered record, caller, sender and making the data",
            "value": round(statistics.median(run.cpu_us for run in runs), 2),
            "unit": "µs",
            "target": "8 µs raw",
        },
    ]


def _cost(what: str, cost: Cost, target: str) -> dict[str, object]:
    return {
        "what": what,
        "value": round(cost.raw_median),
        "unit": "ns",
        "raw_best": round(cost.raw_best),
        "scaled": round(cost.scaled_median),
        "scaled_best": round(cost.scaled_best),
        "target": target,
    }


def _loop_with_data() -> None:
    for i in range(CALLS):
        data_of(i)


def wait(log: ICCMLogger) -> None:
    assert log.flush(30.0), log.stats()


@contextmanager
def server_of_its_own() -> Iterator[Valkey]:
    folder = Path(tempfile.mkdtemp(prefix="godot-bench-"))
    server = Valkey(folder / "valkey", maxmemory="1gb")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for figure in run():
        print(json.dumps(figure))
        print(f"  {figure['what']}: {figure['value']:,} {figure['unit']}", file=sys.stderr)
