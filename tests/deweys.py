"""A Dewey behind HTTP, in this process, so that a test can stop it and start it again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from dewey_logs.server import Backend, build
from dewey_logs.tools import Access, add_token, application, bind, make_token


class Dewey:
    """A server of one database; `url` stays the same from one start to the next."""

    def __init__(self, backend: Backend, access: Access) -> None:
        self._backend = backend
        self.store = backend.store
        self._access = access
        with bind("127.0.0.1", 0, prefix="DEWEY") as found:
            self._port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/mcp"
        self.address = ("127.0.0.1", self._port)
        self.connections: set[socket.socket] = set()
        self.registry = CollectorRegistry()

    def start(self) -> None:
        self.registry = CollectorRegistry()
        bound = bind("127.0.0.1", self._port, prefix="DEWEY")
        app = application(build(self._backend, self.registry), self._backend.checks, self._access)
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([bound],))
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)

    def calls(self, tool: str, outcome: str = "ok") -> float:
        labels = {"tool": tool, "outcome": outcome}
        return self.registry.get_sample_value("godot_mcp_tool_calls_total", labels) or 0.0


@contextmanager
def dewey(
    writer: str, reader: str, owner: str, tokens: Path, *, max_body_bytes: int = 8 * 2**20
) -> Iterator[Dewey]:
    """Serve a database, each login for what it is for."""
    with Backend(writer, reader, owner, 7) as backend:
        access = Access(tokens_file=tokens, max_body_bytes=max_body_bytes, body_s=60.0)
        server = Dewey(backend, access)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def token(path: Path, name: str, *scopes: str) -> str:
    """Make a token; return its text."""
    text, line = make_token(name, scopes)
    add_token(path, line)
    return text
