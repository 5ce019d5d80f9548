"""The facade as a client meets it: inside this process, over HTTP, and over stdio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
import uvicorn
from mcp import Client
from mcp.types import CallToolResult
from prometheus_client import CollectorRegistry

from dewey_logs.tools import Access, application, bind
from dewey_logs.tools.listen import configured
from godot.facade.backends import Backends
from godot.facade.server import build
from godot.settings import Settings
from godot.worker import intake, loop

Call = Callable[..., CallToolResult]


@pytest.fixture(params=["auto", "legacy"])
def call(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Call]:
    """Call a tool of a server in this process; `legacy` goes through every serialisation."""
    with Backends(settings) as backends:
        server = build(backends, CollectorRegistry())

        async def one(name: str, arguments: dict[str, Any], meta: Any) -> CallToolResult:
            async with Client(server, mode=request.param) as client:
                return await client.call_tool(name, arguments, meta=meta)

        def called(tool: str, meta: Any = None, **arguments: Any) -> CallToolResult:
            return anyio.run(one, tool, arguments, meta)

        yield called


@contextmanager
def answering(
    backends: Backends, registry: CollectorRegistry, access: Access, host: str
) -> Iterator[int]:
    """Serve over HTTP in this process; gives the port."""
    with bind(host, 0, prefix="GODOT") as bound:
        app = application(build(backends, registry), backends.checks, access)
        server = uvicorn.Server(configured(app))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join(60)


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return environment_of(settings)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return what a program has to have in its environment to use what stands in the settings."""
    assert settings.dewey_url is not None
    return {
        "PATH": os.environ["PATH"],
        "GODOT_REDIS_URL": settings.redis_url,
        "DEWEY_URL": settings.dewey_url,
        "GODOT_STREAM": settings.stream,
        "GODOT_DATA_DIR": str(settings.data_dir),
        "GODOT_METRICS_PORT": "0",
        "GODOT_MCP_PORT": "0",
        "GODOT_HEARTBEAT_S": "0",  # tests count records
    }


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """`godot mcp` as a process of its own, and what it left in the run folder."""
    with serving(settings) as found:
        yield found


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "godot", "mcp"],
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    path = settings.data_dir / "run" / f"mcp-{process.pid}.json"
    deadline = time.monotonic() + 60
    try:
        while not path.exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline, "the server did not announce itself"
            time.sleep(0.02)
        yield Served(process, path)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


class Served:
    """A running server: its process, its announcement and its addresses."""

    def __init__(self, process: subprocess.Popen[bytes], announcement: Path) -> None:
        said = json.loads(announcement.read_bytes())
        self.process = process
        self.announcement = announcement
        self.url: str = said["mcp_url"]
        self.base = self.url.removesuffix("/mcp")
        self.metrics_url: str = said["metrics_url"]


@contextmanager
def storing(settings: Settings) -> Iterator[loop.Worker]:
    """Have a worker store what is in the stream; it stops without delay."""
    stop = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "BLOCK_MS", 50)
        found = loop.Worker(settings, stop)
        thread = threading.Thread(target=found.run)
        thread.start()
        try:
            yield found
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive(), "the worker did not stop"


@pytest.fixture
def working(settings: Settings) -> Callable[[], AbstractContextManager[loop.Worker]]:
    """Give that for the test's own system."""
    return partial(storing, settings)


@pytest.fixture
def stored(settings: Settings) -> Callable[[int], list[tuple[Any, ...]]]:
    """Return the rows once there are as many as expected, oldest first."""

    def rows(count: int) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + 60
        assert settings.dewey_url is not None
        with psycopg.connect(settings.dewey_url, autocommit=True) as connection:
            while True:
                found = connection.execute(
                    "SELECT message, level::text, component, data, trace_id, id::text"
                    " FROM logs ORDER BY created_at, id"
                ).fetchall()
                if len(found) >= count or time.monotonic() > deadline:
                    assert len(found) == count
                    return found
                time.sleep(0.02)

    return rows
