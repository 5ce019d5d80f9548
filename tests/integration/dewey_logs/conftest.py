"""Rows to store, a store to put them in, and a look at what the tables say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from dewey_logs import Batch, LogRow, Reject, Source, Store, open_store
from tests.integration.dewey_logs.servers import Servers, installations

DAY_US = 86_400_000_000


class Maker:
    """Makes rows of one producer, with rising sequence numbers and ids."""

    def __init__(self, producer: int = 77) -> None:
        self.producer = producer
        self.sequence = 0
        self.now_us = time.time_ns() // 1000

    def row(self, **changes: Any) -> LogRow:
        self.sequence += 1
        i = self.sequence
        us = changes.get("created_at_us", self.now_us + i)
        key = (self.now_us // 1000) << 80 | 8 << 76 | 2 << 62 | i << 38 | self.producer
        row = LogRow(
            id=key.to_bytes(16, "big"),
            created_at_us=us,
            component="shop.api",
            level="INFO",
            message=f"message {i}",
            trace_id=f"trace-{i % 10:08}",
            data=b'{"i":%d}' % i,
            producer=self.producer,
            sequence=i,
            source=Source(f"{us // 1000}-{i}", (b"message", b"message %d" % i)),
        )
        return msgspec.structs.replace(row, **changes)

    def rows(self, count: int, **changes: Any) -> list[LogRow]:
        return [self.row(**changes) for _ in range(count)]

    def moved(self, row: LogRow, entry_us: int) -> LogRow:
        """Return the same record as it is when its time is outside the window of this entry."""
        own = (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.created_at_us)
        ).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return msgspec.structs.replace(
            row,
            created_at_us=entry_us,
            moved=True,
            data=b'{"godot":{"created_at":"%s"}}' % own.encode(),
        )


class Database:
    """The test's own eyes: plain SQL on the same database."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Any:
        return self.rows(query, *values)[0][0]

    def stored_ids(self) -> list[bytes]:
        return [row[0].bytes for row in self.rows("SELECT id FROM logs ORDER BY created_at, id")]

    def ledger(self) -> dict[tuple[int, str], set[int]]:
        """Return the numbers of each producer by what became of them; see `duplicates`."""
        found: dict[tuple[int, str], set[int]] = {}
        for producer, kind, low, high in self.rows(
            "SELECT producer, kind, lower(r), upper(r) FROM logs_ledger, unnest(seqs) r"
            " WHERE kind <> 'duplicate'"
        ):
            found.setdefault((producer, kind), set()).update(range(low, high))
        return found

    def duplicates(self) -> set[int]:
        """Return the numbers that came more than once, of all producers."""
        return {
            number
            for low, high in self.rows(
                "SELECT lower(r), upper(r) FROM logs_ledger, unnest(seqs) r"
                " WHERE kind = 'duplicate'"
            )
            for number in range(low, high)
        }


@pytest.fixture(scope="session")
def servers(server_folder: Path) -> Iterator[Servers]:
    """A PostgreSQL of each version that is found here."""
    (server_folder / "servers").mkdir(mode=0o711)
    found = Servers(server_folder / "servers")
    yield found
    found.close()


@pytest.fixture(params=installations(), ids=lambda version: f"postgresql-{version}")
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def batch(rows: list[LogRow], **more: Any) -> Batch:
    return Batch(**{"stream": "test", "rows": tuple(rows), **more})


def eventually(condition: Callable[[], object], timeout_s: float = 90.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def reject(key: bytes, **changes: Any) -> Reject:
    made = Reject(id=key, reason="no message", source=Source("1-1", (b"component", b"x")))
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def store(writer_url: str, reader_url: str) -> Iterator[Store]:
    """A store with no more rights than its logins need."""
    with open_store(writer_url, reader_url=reader_url) as opened:
        yield opened


@pytest.fixture
def database(dewey_url: str) -> Iterator[Database]:
    eyes = Database(dewey_url)
    yield eyes
    eyes.connection.close()
