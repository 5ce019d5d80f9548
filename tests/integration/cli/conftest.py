"""The command line as scripts meet it: a process with an environment, and what it printed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import psycopg
import pytest
from click.testing import CliRunner

from clientlib import Producer, make_record
from godot.cli import godot
from godot.embedded.plan import READER, WRITER
from godot.settings import Settings
from godot.stream.append import Appender
from godot.worker import intake, loop
from tests.conftest import logged_in

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """What a shell would have exported to reach the test's own stream and database.

    Each login has no more rights than it needs.
    """
    assert settings.dewey_url is not None
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TZ": "UTC",
        "GODOT_REDIS_URL": settings.redis_url,
        "DEWEY_URL": logged_in(settings.dewey_url, WRITER),
        "DEWEY_READER_URL": logged_in(settings.dewey_url, READER),
        "DEWEY_OWNER_URL": settings.dewey_url,
        "GODOT_STREAM": settings.stream,
        "GODOT_DATA_DIR": str(settings.data_dir),
        "GODOT_METRICS_PORT": "0",
        "GODOT_MCP_PORT": "0",
    }


def _with(environment: dict[str, str], variables: dict[str, str]) -> dict[str, str]:
    """Return the environment with these variables; a store that is given is one for all logins."""
    if "DEWEY_URL" in variables:
        others = ("DEWEY_READER_URL", "DEWEY_OWNER_URL")
        environment = {k: v for k, v in environment.items() if k not in others}
    return environment | variables


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def command(
        *arguments: str, stdin: bytes = b"", **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "godot", *arguments],
            env=_with(environment, variables),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return command


@contextmanager
def given(stdin: bytes) -> Iterator[IO[bytes]]:
    """Give a file to be a command's stdin: some read its descriptor."""
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.seek(0)
        yield file


@pytest.fixture
def here(environment: dict[str, str]) -> Run:
    """Run a command in this process: fifty times as quick, for what needs no process of its own."""

    def command(
        *arguments: str, stdin: bytes = b"", **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        with given(stdin) as file:
            found = CliRunner().invoke(
                godot, arguments, env=_with(environment, variables), input=file, prog_name="godot"
            )
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return subprocess.CompletedProcess(
            arguments, found.exit_code, found.stdout_bytes, found.stderr_bytes
        )

    return command


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command and leave it running; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def command(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "godot", *arguments],
                env=_with(environment, variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield command
    for process in started:
        if process.poll() is None:
            process.kill()
        if process.stdin is not None and process.stdin.closed:
            process.stdin = None  # communicate() would flush it
        process.communicate(timeout=60)


@pytest.fixture
def working(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Give a context in which a worker stores what is in the stream; it stops without delay."""
    monkeypatch.setattr(intake, "BLOCK_MS", 50)

    @contextmanager
    def worker(where: Settings = settings) -> Iterator[loop.Worker]:
        stop = threading.Event()
        assert where.dewey_url is not None
        url = logged_in(where.dewey_url, WRITER)
        found = loop.Worker(msgspec.structs.replace(where, dewey_url=url), stop)
        thread = threading.Thread(target=found.run)
        thread.start()
        try:
            yield found
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive(), "the worker did not stop"

    return worker


@pytest.fixture
def stored(settings: Settings) -> Callable[[int], list[tuple[Any, ...]]]:
    """Return the rows once there are as many as expected, oldest first."""

    def rows(count: int, seconds: float = 30.0) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + seconds
        assert settings.dewey_url is not None
        with psycopg.connect(settings.dewey_url, autocommit=True) as connection:
            while True:
                found = connection.execute(
                    "SELECT message, level::text, component, data, created_at, trace_id, id::text"
                    " FROM logs ORDER BY created_at, id"
                ).fetchall()
                if len(found) >= count or time.monotonic() > deadline:
                    assert len(found) == count
                    return found
                time.sleep(0.02)

    return rows


@pytest.fixture
def filled(
    settings: Settings,
    working: Callable[..., AbstractContextManager[object]],
    stored: Callable[[int], list[tuple[Any, ...]]],
) -> None:
    """A store with 1,300 records of two components."""
    producer = Producer()
    with Appender(settings) as appender:
        appender.append(
            [
                make_record(
                    "api" if i % 2 else "web",
                    "ERROR" if i % 100 == 0 else "INFO",
                    f"request number{i} done",
                    {"i": i},
                    f"trace-{i // 10:06d}",
                    producer=producer,
                )
                for i in range(1_300)
            ]
        )
    with working():
        stored(1_300)
