"""ops/health, which the images' HEALTHCHECK runs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "ops" / "health"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Answer /readyz so, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def health(role: str, variable: str, port: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), role],
        env={variable: str(port)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    ("role", "variable"),
    [("worker", "GODOT_METRICS_PORT"), ("mcp", "GODOT_MCP_PORT"), ("dewey", "DEWEY_MCP_PORT")],
)
def test_a_program_is_well_when_it_is_ready_and_else_says_what_is_wrong(role: str, variable: str):
    with answering(200, b"{}") as port:
        assert health(role, variable, port) == (0, "ok")
    with answering(503, b'{"store": false}') as port:
        code, said = health(role, variable, port)
    assert code == 1
    assert role in said
    assert '"store": false' in said
    code, said = health(role, variable, port)  # nobody is there any more
    assert code == 1
    assert "refused" in said
