"""What `godot tap` adds to a round trip, over stdio and HTTP, beside the same without it.

Redis is away, which is the worst case for whoever passes bytes on.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import quantiles

ROUNDS = 300
LARGE = 50_000_000
MESSAGE = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo"}}\n'
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()"
TAP = (sys.executable, "-m", "godot", "tap", "--as", "bench")
Ask = Callable[[bytes], bytes]


@contextmanager
def over_stdio(*before: str) -> Iterator[Ask]:
    """Run a server that echoes; give how it is asked."""
    pipe, away = subprocess.PIPE, {**os.environ, "GODOT_REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [*before, sys.executable, "-c", ECHO]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=away
    ) as server:
        asked, answers = server.stdin, server.stdout
        assert asked is not None
        assert answers is not None

        def ask(message: bytes) -> bytes:
            # a large message needs both directions at once
            sending = threading.Thread(target=lambda: (asked.write(message), asked.flush()))
            sending.start()
            answer = answers.readline()
            sending.join()
            return answer

        yield ask
        asked.close()


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def over_http(*, tapped: bool) -> Iterator[Ask]:
    """Run a server that echoes; give how it is asked, on one connection."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    tap = None
    if tapped:
        with socket.create_server(("127.0.0.1", 0)) as free:
            own = free.getsockname()[1]
        away = {**os.environ, "GODOT_REDIS_URL": "redis://127.0.0.1:1/0"}
        to = ("--listen", str(own), "--to", f"http://127.0.0.1:{port}/mcp")
        tap = subprocess.Popen([*TAP, *to], stderr=subprocess.PIPE, env=away)
        assert tap.stderr is not None
        tap.stderr.readline()
        port = own
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(message: bytes) -> bytes:
        connection.request("POST", "/mcp", message)
        return connection.getresponse().read()

    try:
        yield ask
    finally:
        connection.close()
        if tap is not None:
            tap.terminate()
            tap.wait(30)
        server.shutdown()
        server.server_close()


def measured(ask: Ask) -> tuple[float, float]:
    """Return the median and the 95th percentile of a round trip, in ms."""
    taken = []
    for number in range(ROUNDS):
        message = MESSAGE % number
        began = time.perf_counter()
        assert ask(message) == message
        taken.append((time.perf_counter() - began) * 1000)
    found = quantiles(taken, n=100)
    return found[49], found[94]


def run() -> list[dict[str, object]]:
    figures: list[dict[str, object]] = []

    def add(what: str, value: float, unit: str) -> None:
        figures.append({"what": what, "value": round(value, 3), "unit": unit})

    with tempfile.TemporaryDirectory() as home:
        os.environ["GODOT_DATA_DIR"] = home
        for way, server in (
            ("over stdio, directly", over_stdio()),
            ("over stdio, tapped", over_stdio(*TAP, "--")),
            ("over HTTP, directly", over_http(tapped=False)),
            ("over HTTP, tapped", over_http(tapped=True)),
        ):
            with server as ask:
                middle, late = measured(ask)
                add(f"a round trip {way}, p50", middle, "ms")
                add(f"a round trip {way}, p95", late, "ms")
                large = b'"' + b"x" * LARGE + b'"\n'
                began = time.perf_counter()
                assert ask(large) == large
                add(f"50 MB {way}", time.perf_counter() - began, "s")
    return figures
