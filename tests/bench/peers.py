"""What a log call costs beside the ways that programs log today, all in one run.

Each peer has a process of its own and the same call: a message, a nested dict, a trace id. Ours and
the synchronous redis-py really deliver into a server; the others write to /dev/null or to nothing.
Only ours redacts. Figures are medians; scaled means to the machine's fast state, see client.py.

What the adapters take is the CPU time of the calling thread. By the clock their rounds last so long
that our sender's thread ships half of the records meanwhile, in turn with the caller: that is
counted where CPU a record is. A round of direct calls is over before it begins.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TextIO

from clientlib import ICCMLogger
from tests.bench.client import (
    CALLS,
    FAST_ROUND_NS,
    TRACE,
    Cost,
    data_of,
    fixed_round_ns,
    measure,
    server_of_its_own,
    wait,
)

PACE_PER_S = 20_000
PACED_CALLS = 20_000
CPU_ROUNDS = 10


class Peer(NamedTuple):
    """One way to log: an enabled call, a disabled one, and how to wait until all is written."""

    info: Callable[[dict[str, object]], object]
    debug: Callable[[dict[str, object]], object]
    settle: Callable[[], object]


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # as long as the process


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {"at": record.created, "level": record.levelname, "message": record.getMessage()}
        return json.dumps({**said, "data": record.__dict__["data"], "trace": TRACE})


def _stdlib(handler: logging.Handler, settle: Callable[[], object] = lambda: None) -> Peer:
    log = logging.Logger("bench", logging.INFO)
    log.addHandler(handler)
    return Peer(
        lambda data: log.info("order accepted", extra={"data": data, "trace_id": TRACE}),
        lambda data: log.debug("order accepted", extra={"data": data, "trace_id": TRACE}),
        settle,
    )


def stdlib_json() -> Peer:
    handler = logging.StreamHandler(_nowhere())
    handler.setFormatter(_Json())
    return _stdlib(handler)


def stdlib_nothing() -> Peer:
    """What `logging` itself takes, before any handler does anything."""
    handler = logging.Handler()
    handler.emit = lambda record: None  # type: ignore[method-assign]  # the least there is
    return _stdlib(handler)


def queue_handler() -> Peer:
    import queue

    there = logging.StreamHandler(_nowhere())
    there.setFormatter(_Json())
    waiting: queue.Queue[Any] = queue.Queue(-1)
    listener = logging.handlers.QueueListener(waiting, there)
    listener.start()

    def settle() -> None:
        while waiting.qsize():
            time.sleep(0.001)

    return _stdlib(logging.handlers.QueueHandler(waiting), settle)


def structlog_orjson() -> Peer:
    import orjson
    import structlog

    nowhere = open(os.devnull, "wb")  # noqa: SIM115  # open as long as the logger
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(nowhere),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger()
    return Peer(
        lambda data: log.info("order accepted", data=data, trace_id=TRACE),
        lambda data: log.debug("order accepted", data=data, trace_id=TRACE),
        lambda: None,
    )


def loguru_enqueue() -> Peer:
    from loguru import logger

    logger.remove()
    logger.add(_nowhere(), level="INFO", serialize=True, enqueue=True)
    log = logger.bind(trace_id=TRACE)
    return Peer(
        lambda data: log.info("order accepted", data=data),
        lambda data: log.debug("order accepted", data=data),
        logger.complete,
    )


def opentelemetry_batch() -> Peer:
    import warnings

    warnings.simplefilter("ignore")  # its handler is deprecated in favour of another package's
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import (
        BatchLogRecordProcessor,
        LogRecordExporter,
        LogRecordExportResult,
    )

    class Nothing(LogRecordExporter):
        def export(self, batch: Any) -> Any:
            return LogRecordExportResult.SUCCESS

        def force_flush(self, timeout_millis: int = 10_000) -> bool:
            return True

        def shutdown(self) -> None: ...

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(Nothing(), max_queue_size=100_000))
    return _stdlib(LoggingHandler(logger_provider=provider), provider.force_flush)


def redis_py() -> Peer:
    import redis

    client = redis.Redis.from_url(os.environ["GODOT_REDIS_URL"])

    def info(data: dict[str, object]) -> None:
        fields: dict[Any, Any] = {"level": "INFO", "message": "order accepted", "trace_id": TRACE}
        fields["data"] = json.dumps(data)
        client.xadd("peer", fields, maxlen=100_000)

    return Peer(info, lambda data: None, lambda: None)


def _ours() -> ICCMLogger:
    log = ICCMLogger("bench", level="INFO")
    log.info("first")
    return log


def godot() -> Peer:
    log = _ours()
    return Peer(
        lambda data: log.info("order accepted", data, TRACE),
        lambda data: log.debug("order accepted", data, TRACE),
        lambda: wait(log),
    )


def godot_under_logging() -> Peer:
    from clientlib import GodotHandler

    log = _ours()
    return _stdlib(GodotHandler(logger=log), lambda: wait(log))


def _structlog(settle: Callable[[], object] = lambda: None, **configuration: Any) -> Peer:
    import structlog

    structlog.configure(**configuration)
    log = structlog.get_logger()
    return Peer(
        lambda data: log.info("order accepted", data=data, trace_id=TRACE),
        lambda data: log.debug("order accepted", data=data, trace_id=TRACE),
        settle,
    )


def structlog_nothing() -> Peer:
    """What structlog itself takes, before a last processor does anything."""
    import structlog

    return _structlog(
        processors=[structlog.contextvars.merge_contextvars, lambda *_: ((None,), {})],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def godot_under_structlog() -> Peer:
    """As docs/integration.md has it."""
    from clientlib import GodotProcessor

    log = _ours()
    return _structlog(lambda: wait(log), **GodotProcessor(logger=log).configuration)


PEERS: dict[str, Callable[[], Peer]] = {
    "godot": godot,
    "stdlib JSON": stdlib_json,
    "QueueHandler": queue_handler,
    "structlog+orjson": structlog_orjson,
    "loguru enqueue": loguru_enqueue,
    "OpenTelemetry batch": opentelemetry_batch,
    "redis-py, synchronous": redis_py,
    "logging, no handler": stdlib_nothing,
    "logging + GodotHandler": godot_under_logging,
    "structlog, no output": structlog_nothing,
    "structlog + GodotProcessor": godot_under_structlog,
}


class Figures(NamedTuple):
    """What one peer takes: nanoseconds a call by the clock and of the calling thread's CPU, µs of
    CPU a record in all threads, a paced call."""

    enabled_ns: float
    enabled_raw_ns: float
    caller_cpu_ns: float
    disabled_ns: float
    cpu_us: float
    cpu_raw_us: float
    paced_p99_us: float


def figures_of(peer: Peer) -> Figures:
    """Measure one peer, in its own process."""
    enabled = _cost(peer.info, peer.settle)
    caller_cpu = _cost(peer.info, peer.settle, time.thread_time_ns)
    disabled = _cost(peer.debug, lambda: None)
    cpu_us, cpu_raw_us = _cpu(peer)
    return Figures(
        *(enabled.scaled_median, enabled.raw_median, caller_cpu.scaled_median),
        *(disabled.scaled_median, cpu_us, cpu_raw_us, _paced_p99_us(peer)),
    )


def _cost(
    call: Callable[[dict[str, object]], object],
    settle: Callable[[], object],
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Cost:
    def nothing(data: dict[str, object]) -> None:
        return None

    def calls(one: Callable[[dict[str, object]], object]) -> Callable[[], None]:
        def body() -> None:
            for i in range(CALLS):
                one(data_of(i))

        return body

    return measure(calls(call), calls(nothing), lambda: _done(settle), clock)


def _done(settle: Callable[[], object]) -> None:
    settle()


def _cpu(peer: Peer) -> tuple[float, float]:
    found = []
    for _ in range(CPU_ROUNDS):
        peer.settle()
        before_ns = fixed_round_ns()
        start = time.process_time()
        for i in range(CALLS):
            data_of(i)
        middle = time.process_time()
        for i in range(CALLS):
            peer.info(data_of(i))
        peer.settle()
        raw_us = (time.process_time() - middle - (middle - start)) / CALLS * 1e6
        scale = FAST_ROUND_NS / ((before_ns + fixed_round_ns()) / 2)
        found.append((raw_us * scale, raw_us))
    return sorted(found)[CPU_ROUNDS // 2]


def _paced_p99_us(peer: Peer) -> float:
    took, due = [], time.perf_counter()
    for i in range(PACED_CALLS):
        data = data_of(i)
        due += 1 / PACE_PER_S
        while (now := time.perf_counter()) < due:
            pass
        peer.info(data)
        took.append(time.perf_counter() - now)
    peer.settle()
    return sorted(took)[PACED_CALLS * 99 // 100] * 1e6


def run() -> list[dict[str, object]]:
    """Measure every peer; one dict for each line of the table."""
    with server_of_its_own() as server:
        environ = {**os.environ, "GODOT_REDIS_URL": server.url}
        found = {name: _asked(name, environ) for name in PEERS}
    return list(_table(found))


def _asked(name: str, environ: dict[str, str]) -> Figures:
    command = [sys.executable, "-m", "tests.bench.peers", name]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, timeout=600)
    return Figures(*json.loads(done.stdout))


def _table(found: dict[str, Figures]) -> Iterator[dict[str, object]]:
    ours = found["godot"]
    targets = {
        "godot": "1,500 ns; a fifth of structlog+orjson",
    }
    for name, one in found.items():
        yield {
            "what": f"{name}: one enabled call, scaled ({one.enabled_ns / ours.enabled_ns:.1f} x)",
            "value": round(one.enabled_ns),
            "unit": "ns",
            "raw": round(one.enabled_raw_ns),
            "caller_cpu_ns": round(one.caller_cpu_ns),
            "disabled_ns": round(one.disabled_ns),
            "cpu_us": round(one.cpu_us, 2),
            "cpu_raw_us": round(one.cpu_raw_us, 2),
            "paced_p99_us": round(one.paced_p99_us, 1),
            "times_ours": round(one.enabled_ns / ours.enabled_ns, 1),
            "target": targets.get(name),
        }
    with_ours, without = found["logging + GodotHandler"], found["logging, no handler"]
    share = with_ours.caller_cpu_ns - without.caller_cpu_ns
    by_structlog = found["structlog + GodotProcessor"].caller_cpu_ns
    yield _line("our share on top of logging, caller's CPU, scaled", share, "ns", "2,500 ns")
    yield _line("a structlog call in all, caller's CPU, scaled", by_structlog, "ns", "4,000 ns")
    yield _line("disabled call, scaled", ours.disabled_ns, "ns", "100 ns")
    yield _line("CPU a record, caller and sender, scaled", ours.cpu_us, "µs", "4 µs")
    yield _line("CPU a record, caller and sender, raw", ours.cpu_raw_us, "µs", "8 µs")
    yield _line("p99 of a call at 20,000 a second", ours.paced_p99_us, "µs", "40 µs")


def _line(what: str, value: float, unit: str, target: str) -> dict[str, object]:
    return {"what": what, "value": round(value, 1), "unit": unit, "target": target}


if __name__ == "__main__":
    print(json.dumps(figures_of(PEERS[sys.argv[1]]())), flush=True)
    os._exit(0)  # some of them take their time to end
