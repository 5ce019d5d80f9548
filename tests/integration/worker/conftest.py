"""Workers to test with: in a thread where the test looks inside, as a process where it kills."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from clientlib import LogRecord, Producer, make_record
from dewey_logs import open_store
from dewey_logs.migrations import migrate
from godot.accounting import examine
from godot.audit import Audit
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings
from godot.stream.append import Appender
from godot.worker import intake
from godot.worker.loop import Worker
from tests.folders import server_folder

ENVIRONMENT = {
    "GODOT_REDIS_URL": "redis_url",
    "DEWEY_URL": "dewey_url",
    "DEWEY_TOKEN": "dewey_token",
    "GODOT_STREAM": "stream",
    "GODOT_DATA_DIR": "data_dir",
    "GODOT_METRICS_PORT": "metrics_port",
    "GODOT_RECLAIM_IDLE_MS": "reclaim_idle_ms",
    "GODOT_MAXLEN": "maxlen",
    "GODOT_BATCH_SIZE": "batch_size",
    "GODOT_MAX_DELIVERIES": "max_deliveries",
    "GODOT_STOP_TIMEOUT_S": "stop_timeout_s",
}

GATE = """
CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON logs_ledger
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gate()
"""


class Bench:
    """The test's hands: append records, look at the stream and at the tables.

    What a test waits for it looks at many times a second, so a look must not cost a session.
    """

    def __init__(self, settings: Settings, database: str | None = None) -> None:
        self.settings = settings
        self.database = database or settings.dewey_url or ""  # PostgreSQL, whatever the worker uses
        self.redis = redis.Redis.from_url(settings.redis_url)
        self.producer = Producer()
        self._eyes: psycopg.Connection | None = None

    def close(self) -> None:
        self.redis.close()
        if self._eyes is not None:
            self._eyes.close()

    def records(self, count: int, **more: Any) -> list[LogRecord]:
        return [
            make_record("test", "INFO", f"message {i}", {"i": i}, producer=self.producer, **more)
            for i in range(count)
        ]

    def append(self, records: list[LogRecord]) -> None:
        with Appender(self.settings) as appender:
            for start in range(0, len(records), 1_000):
                appender.append(records[start : start + 1_000])

    def add_raw(self, **fields: bytes | str) -> str:
        entry: Any = self.redis.xadd(self.settings.stream, fields)  # type: ignore[arg-type]  # bytes too
        return str(entry, "ascii")

    def sql(self, query: str) -> list[tuple]:
        if self._eyes is not None:
            try:
                return self._eyes.execute(query).fetchall()
            except psycopg.OperationalError:
                if not self._eyes.closed:
                    raise
        # the first look, or the first at a server that was stopped since
        self._eyes = psycopg.connect(self.database, autocommit=True, prepare_threshold=None)
        return self._eyes.execute(query).fetchall()

    def change(self, statements: str) -> None:
        """Do what returns no rows."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statements)

    @contextmanager
    def commits_held(self) -> Iterator[None]:
        """Keep batches with records waiting in the last moment of their COMMIT."""
        self.change(GATE)
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(4711)")
            yield
        self.change("DROP FUNCTION gate CASCADE")

    def committing(self) -> int:
        """Return how many batches wait there."""
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        found: int = self.sql(waiting)[0][0]
        return found

    def audited(self) -> Audit:
        """Audit as if an hour had passed since, so that nothing is settling any more."""
        self.change("UPDATE logs_ledger SET at = at - interval '1 hour'")
        with open_store(self.database) as store:
            return examine(self.settings, store).audit

    def stored(self) -> int:
        return self.sql("SELECT count(*) FROM logs")[0][0]

    def consumers(self) -> int:
        """Return how many consumers the group has, 0 without one."""
        with contextlib.suppress(redis.ResponseError, IndexError):
            group: Any = self.redis.xinfo_groups(self.settings.stream)[0]
            return int(group["consumers"])
        return 0

    def pending(self) -> int:
        try:
            return self.redis.xpending(self.settings.stream, self.settings.group)["pending"]
        except redis.ResponseError:  # no group yet
            return 0

    def settled(self) -> bool:
        """Say whether every entry was delivered and acknowledged."""
        try:
            group = self.redis.xinfo_groups(self.settings.stream)[0]
        except (redis.RedisError, IndexError):
            return False
        last = self.redis.xinfo_stream(self.settings.stream)["last-generated-id"]
        return group["pending"] == 0 and group["last-delivered-id"] == last


def eventually(condition: Callable[[], object], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    pause_s = 0.005
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.2, 0.03)  # a look takes milliseconds from what is waited for


@pytest.fixture
def bench(settings: Settings, dewey_url: str) -> Iterator[Bench]:
    here = Bench(settings, dewey_url)
    yield here
    here.close()


@pytest.fixture
def own_folder() -> Iterator[Path]:
    with server_folder() as folder:
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def own_postgres(own_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, to be killed; its database is `dewey`."""
    server = Postgres(own_folder / "postgres", options=("shared_buffers=32MB",))
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dewey")
    migrate(server.url("dewey"))
    yield server
    server.stop()


@pytest.fixture
def own_valkey(own_folder: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own, to be killed."""
    # with everysec a crash may cost what waited for a slow fsync; here it must cost nothing
    server = Valkey(own_folder / "valkey", options=("--appendfsync", "always"))
    server.start()
    yield server
    server.stop()


@contextmanager
def _in_thread(settings: Settings) -> Iterator[Worker]:
    stop = threading.Event()
    worker = Worker(settings, stop)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive(), "the worker did not stop"


@pytest.fixture
def working(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Settings], AbstractContextManager[Worker]]:
    """Give a context in which a worker stores what is in the stream; it stops without delay."""
    monkeypatch.setattr(intake, "BLOCK_MS", 50)
    return _in_thread


@pytest.fixture
def spawn(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `godot worker` as a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        values = {name: getattr(settings, field) for name, field in ENVIRONMENT.items()}
        environ = {name: str(value) for name, value in values.items() if value is not None}
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "godot", "worker"],
                    env={**os.environ, **environ, **more},
                    stdout=log,
                    stderr=log,
                )
            )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(60)
