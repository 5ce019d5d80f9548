"""A throw-away stack for measuring: servers, settings, a worker process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from clientlib import LogRecord, Producer, make_record
from dewey_logs.migrations import migrate
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load


class Stack:
    """Two servers in one folder, with the settings that point at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.valkey = Valkey(folder / "valkey", maxmemory="2gb")
        self.postgres = Postgres(
            folder / "postgres", options=("track_commit_timestamp=on", "max_wal_size=4GB")
        )
        self.environ: dict[str, str] = {}

    def start(self) -> None:
        self.valkey.start()
        self.postgres.start()
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE dewey")
        migrate(self.postgres.url("dewey"))
        self.environ = {
            "GODOT_REDIS_URL": self.valkey.url,
            "DEWEY_URL": self.postgres.url("dewey"),
            "GODOT_DATA_DIR": str(self.folder),
            "GODOT_METRICS_PORT": "0",
            "GODOT_HEARTBEAT_S": "0",
        }

    def settings(self, **more: str) -> Settings:
        return load({**self.environ, **more})

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run `godot worker` as its own process, and stop it by SIGTERM."""
        environ = {**os.environ, **self.environ, **more}
        with (self.folder / f"worker-{uuid.uuid4().hex[:6]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "godot", "worker"], env=environ, stderr=log, stdout=log
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()


@contextmanager
def stack() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="godot-bench-"))
    folder.chmod(0o711)
    here = Stack(folder)
    try:
        here.start()
        yield here
    finally:
        here.stop()
        shutil.rmtree(folder, ignore_errors=True)


def records(count: int) -> Sequence[LogRecord]:
    """Make records of about 300 bytes a stream entry, as a service would write them."""
    producer = Producer()
    return [
        make_record(
            f"shop.service-{i % 7}",
            ("INFO", "INFO", "INFO", "DEBUG", "WARN")[i % 5],
            f"request {i} handled: GET /api/orders/{i * 37 % 90_000} took {i % 950} ms",
            {"order": i, "user": f"user-{i % 5000}", "ms": i % 950, "ok": i % 11 != 0},
            uuid.uuid4().hex,
            producer=producer,
        )
        for i in range(count)
    ]


def peak_memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
