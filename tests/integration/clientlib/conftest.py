from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import Any

import pytest

from clientlib import ICCMLogger
from godot.embedded.valkey import Valkey
from tests.folders import server_folder

MakeLogger = Callable[..., ICCMLogger]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make_logger(redis_url: str, stream_name: str) -> Iterator[MakeLogger]:
    """Make loggers on the test's own stream, closed in the end."""
    made: list[ICCMLogger] = []

    def make(component: str = "api", **more: Any) -> ICCMLogger:
        given = {"redis_url": redis_url, "stream": stream_name, "level": "TRACE"}
        made.append(ICCMLogger(component, **{**given, **more}))
        return made[-1]

    yield make
    for logger in made:
        logger.close()


@pytest.fixture
def own_server() -> Iterator[Valkey]:
    """A server of the test's own, which it may stop and start."""
    with server_folder() as folder:
        server = Valkey(folder)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def run(redis_url: str, stream_name: str) -> Run:
    """Run a program in its own process; its stream and server stand in the environment.

    What it prints goes to files: a pipe that is full while this process is not given the processor
    would be one that nobody reads.
    """

    def run_(code: str, *, timeout_s: float = 150.0, **variables: str) -> Any:
        environ = {
            **os.environ,
            "GODOT_REDIS_URL": redis_url,
            "GODOT_STREAM": stream_name,
            "GODOT_COMPONENT": "program",
            "GODOT_FLUSH_TIMEOUT_S": "30",  # a busy machine is no finding
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
                env=environ,
                stdout=out,
                stderr=err,
                timeout=timeout_s,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())

    return run_
