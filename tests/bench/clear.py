"""How fast a clear removes, and what a writer and a reader beside it notice.

A million records over three days; one component's fifth goes row by row, then a day as a whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec

from dewey_logs import LogFilter, open_store
from dewey_logs.maintenance import verify
from tests.bench.store import Rows, batches, database

RECORDS = 1_000_000
COMPONENTS = 5
DAYS = 3
BEFORE_S = 5.0


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def fill(url: str) -> None:
    """Store the records, evenly over the days before today."""
    rows = Rows()
    first_us = int((midnight() - timedelta(days=DAYS)).timestamp()) * 1_000_000
    step_us = DAYS * 86_400_000_000 // RECORDS
    with open_store(url) as store:
        for start in range(0, RECORDS, 1_000):
            made = [
                msgspec.structs.replace(
                    row,
                    created_at_us=first_us + (start + i) * step_us,
                    component=f"shop.service-{i % COMPONENTS}",
                )
                for i, row in enumerate(rows.take(1_000))
            ]
            store.write(batches(made, 1_000)[0])


@contextmanager
def repeated(work: Callable[[], object]) -> Iterator[list[float]]:
    """Do something over and over beside; give the seconds that each time took."""
    seconds: list[float] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.005):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def run() -> list[dict[str, object]]:
    with database() as url:
        fill(url)
        fresh = Rows()
        with open_store(url) as writer, open_store(url) as reader, open_store(url) as clearing:

            def write() -> object:
                (batch,) = batches(fresh.take(100), 100)
                return writer.write(batch)

            def read() -> object:
                return reader.query(LogFilter(limit=50))

            write(), read()
            with repeated(write) as writes_before, repeated(read) as reads_before:
                time.sleep(BEFORE_S)
            figures = [
                _longest("a batch of 100, nothing beside", writes_before),
                _longest("newest 50, nothing beside", reads_before),
            ]
            for what, wanted in (
                ("by component", LogFilter(component=("shop.service-0",), until="today")),
                ("a whole day", LogFilter(until=(midnight() - timedelta(days=2)).isoformat())),
                ("two whole days", LogFilter(until="today")),
            ):
                began = time.perf_counter()
                plan = clearing.plan_clear(wanted)
                planned = time.perf_counter() - began
                with repeated(write) as writes, repeated(read) as reads:
                    began = time.perf_counter()
                    done = clearing.clear(plan.filter, asked_by="bench")
                    seconds = time.perf_counter() - began
                assert done.records == plan.records
                figures += [
                    {"what": f"clear {what}, records", "value": done.records, "unit": ""},
                    {"what": f"clear {what}, plan", "value": round(planned, 2), "unit": "s"},
                    {"what": f"clear {what}", "value": round(seconds, 2), "unit": "s"},
                    {
                        "what": f"clear {what}, rate",
                        "value": round(done.records / seconds),
                        "unit": "rows/s",
                    },
                    _longest(f"a batch of 100 beside a clear {what}", writes),
                    _longest(f"newest 50 beside a clear {what}", reads),
                ]
        assert list(verify(url)) == []
    return figures


def _longest(what: str, seconds: list[float]) -> dict[str, object]:
    return {"what": f"longest: {what}", "value": round(max(seconds) * 1000, 1), "unit": "ms"}


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['what']}: {figure['value']:,} {figure['unit']}")
