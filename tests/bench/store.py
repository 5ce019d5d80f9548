"""How fast the store takes records, against the ceiling: COPY of the same rows, encoded before.

Every variant gets its rounds in turn, on the same tables, so that a noisy minute or a growing index
hits all of them alike. `python -m tests.bench.store` prints the figures.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb
from psycopg.types.string import StrBinaryDumper

from dewey_logs import Batch, EntryRun, LogRow, Source, open_store
from dewey_logs.copydata import copy_data, encode
from dewey_logs.migrations import migrate
from dewey_logs.statements import statement
from godot.embedded.postgres import Postgres

ROUNDS = 6
ROWS_A_ROUND = 20_000
COPY_FRESH = statement("copy_fresh")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Clock = Callable[[], int]


class Rows:
    """Makes rows of about 300 bytes, as the worker would, with ids and times that only rise."""

    def __init__(self) -> None:
        self.sequence = 0
        self.producer = uuid.uuid4().int >> 90
        self.began_us = time.time_ns() // 1000 - 3_600_000_000

    def take(self, count: int) -> list[LogRow]:
        first = self.sequence + 1
        self.sequence += count
        return [self._row(i) for i in range(first, first + count)]

    def _row(self, i: int) -> LogRow:
        us = self.began_us + i * 100
        key = (us // 1000) << 80 | 8 << 76 | 2 << 62 | (i % 2**24) << 38 | self.producer
        return LogRow(
            id=key.to_bytes(16, "big"),
            created_at_us=us,
            component=f"shop.service-{i % 7}",
            level=("INFO", "INFO", "INFO", "DEBUG", "WARN")[i % 5],
            message=f"request {i} handled: GET /api/orders/{i * 37 % 90_000} took {i % 950} ms",
            trace_id=str(uuid.uuid4()),
            data=b'{"order":%d,"user":"user-%d","ms":%d,"ok":%s}'
            % (i, i % 5000, i % 950, b"true" if i % 11 else b"false"),
            producer=self.producer,
            sequence=i,
            source=Source(f"{us // 1000}-{i}", ()),
        )


def batches(rows: Sequence[LogRow], size: int, maybe_known: bool = False) -> list[Batch]:
    made = []
    for start in range(0, len(rows), size):
        part = tuple(rows[start : start + size])
        ids = [(row.created_at_us // 1000, row.sequence or 0) for row in (part[0], part[-1])]
        made.append(
            Batch(
                stream="bench",
                rows=part,
                runs=(EntryRun(ids[0], ids[1], len(part)),),
                maybe_known=maybe_known,
                entries_added=part[-1].sequence,
                last_generated=ids[1],
            )
        )
    return made


def copy_seconds(url: str, rows: Sequence[LogRow], size: int = 1_000) -> float:
    """Return the seconds of bare COPYs of encoded rows, one commit each."""
    encoded = {row.id: encode(row, 1) for row in rows}
    parts = (rows[start : start + size] for start in range(0, len(rows), size))
    buffers = [copy_data(part, encoded) for part in parts]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = on")
        began = time.perf_counter()
        for buffer in buffers:
            with connection.cursor().copy(COPY_FRESH) as copy:
                copy.write(buffer)
        return time.perf_counter() - began


def copy_ceiling(url: str, count: int) -> float:
    """Return rows a second of COPY, encoded before, a commit per 1,000, on one connection."""
    return count / copy_seconds(url, Rows().take(count))


def text_rows_seconds(url: str, rows: Sequence[LogRow]) -> float:
    """Return the seconds of COPY as text, psycopg writing row by row."""
    return _row_by_row(url, rows, COPY_FRESH.replace("(FORMAT binary)", ""), ())


def binary_rows_seconds(url: str, rows: Sequence[LogRow]) -> float:
    """Return the seconds of binary COPY, psycopg writing row by row."""
    types = ("timestamptz", "uuid", "int8", "log_level", "text", "text", "text", "jsonb")
    return _row_by_row(url, rows, COPY_FRESH, types)


def _row_by_row(url: str, rows: Sequence[LogRow], command: str, types: Sequence[str]) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        if types:
            info = TypeInfo.fetch(connection, "log_level")
            assert info is not None
            info.register(connection)
            label = type("Label", (StrBinaryDumper,), {"oid": info.oid})
            connection.adapters.register_dumper(str, label)
        began = time.perf_counter()
        for start in range(0, len(rows), 1_000):
            with connection.cursor().copy(command) as copy:
                if types:
                    copy.set_types(types)
                for row in rows[start : start + 1_000]:
                    copy.write_row(
                        (
                            EPOCH + timedelta(microseconds=row.created_at_us),
                            uuid.UUID(bytes=row.id),
                            1,
                            row.level,
                            row.component,
                            row.trace_id,
                            row.message,
                            Jsonb(row.data, dumps=bytes) if types else (row.data or b"").decode(),
                        )
                    )
        return time.perf_counter() - began


def store_seconds(url: str, made: Sequence[Batch]) -> list[float]:
    """Return the seconds of each Store.write, the connection already open."""
    seconds = []
    with open_store(url) as store:
        store.write(Batch(stream="bench", runs=(EntryRun((0, 1), (0, 1), 1),)))
        for batch in made:
            began = time.perf_counter()
            result = store.write(batch)
            seconds.append(time.perf_counter() - began)
            assert result.stored == len(batch.rows)
    return seconds


@contextmanager
def database() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="godot-bench-"))
    folder.chmod(0o711)
    server = Postgres(folder / "postgres", options=("max_wal_size=4GB",))
    try:
        server.start()
        migrate(server.url())
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run() -> list[dict[str, object]]:
    rows = Rows()
    n = ROWS_A_ROUND
    single: dict[str, list[float]] = {}  # seconds of each batch
    variants: dict[str, Callable[[str], Sequence[float]]] = {
        "ceiling: COPY of encoded rows": lambda url: [copy_seconds(url, rows.take(n))],
        "COPY text, psycopg row by row": lambda url: [text_rows_seconds(url, rows.take(n))],
        "COPY binary, psycopg row by row": lambda url: [binary_rows_seconds(url, rows.take(n))],
        "Store.write, fresh, 1,000 rows": lambda url: store_seconds(
            url, batches(rows.take(n), 1_000)
        ),
        "Store.write, staged, 1,000 rows": lambda url: store_seconds(
            url, batches(rows.take(n), 1_000, maybe_known=True)
        ),
        "Store.write, fresh, 100 rows": lambda url: store_seconds(url, batches(rows.take(n), 100)),
        "Store.write, staged, 100 rows": lambda url: store_seconds(
            url, batches(rows.take(n), 100, maybe_known=True)
        ),
    }
    with database() as url:
        copy_seconds(url, rows.take(n))  # the first pages of every index
        for _ in range(ROUNDS):
            for name, measure in variants.items():
                single.setdefault(name, []).extend(measure(url))
    return list(_figures(single, n * ROUNDS))


def _figures(single: dict[str, list[float]], count: int) -> Iterator[dict[str, object]]:
    rates = {name: count / sum(seconds) for name, seconds in single.items()}
    ceiling = rates["ceiling: COPY of encoded rows"]
    for name, rate in rates.items():
        yield {"what": name, "value": round(rate), "unit": "rows/s"}
        if name.startswith("Store"):
            yield {"what": f"{name}, of the ceiling", "value": round(rate / ceiling, 2), "unit": ""}
            p99 = statistics.quantiles(single[name], n=100)[98]
            yield {"what": f"{name}, p99", "value": round(p99 * 1000, 1), "unit": "ms"}


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['what']}: {figure['value']:,} {figure['unit']}")
