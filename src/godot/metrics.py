"""Each process serves its own /metrics, with /livez and /readyz beside it.

No multiprocess mode: it forbids custom collectors, and its files are never removed. A second
process on the same host takes a free port, and all of them leave their address in
`GODOT_DATA_DIR/run`, so that one look there finds every target.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CollectorRegistry, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

import godot
from godot.logs import get_logger

log = get_logger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
POLL_S = 0.05  # how long closing may take

disable_created_metrics()  # type: ignore[no-untyped-call]  # a timestamp series beside each counter says nothing we need


class MetricsServer:
    """A small HTTP server on a thread of its own."""

    def __init__(
        self, http: ThreadingHTTPServer, announcement: Path | None, thread: threading.Thread
    ) -> None:
        self._http = http
        self._announcement = announcement
        self._thread = thread
        self.port: int = http.server_address[1]

    def close(self) -> None:
        """Stop listening and take the announcement back."""
        if self._announcement is not None:
            self._announcement.unlink(missing_ok=True)
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5.0)


def serve(
    *,
    port: int,
    host: str,
    role: str,
    registry: CollectorRegistry,
    ready: Callable[[], dict[str, bool]],
    data_dir: Path | None,
    mcp_url: str | None = None,
) -> MetricsServer:
    """Serve /metrics, /livez and /readyz; take a free port when `port` is taken.

    Only this machine can reach it, whatever `host` is. `ready` answers from what the process knows;
    it is called for each /readyz. The announcement is written to `data_dir/run/ROLE-PID.json` when
    `data_dir` exists.
    """
    if host not in LOOPBACK:
        host = LOOPBACK[0]  # where the tools are served to others: metrics ask for no token
    Info("godot_build", "What runs here.", registry=registry).info(
        {"version": godot.__version__, "role": role}
    )
    http = _listen(host, port, _handler(registry, ready))
    thread = threading.Thread(
        target=http.serve_forever, args=(POLL_S,), name="metrics", daemon=True
    )
    thread.start()
    taken = int(http.server_address[1])
    if port and taken != port:
        log.info(
            "metrics port is taken, using another",
            extra={"action": "metrics", "wanted": port, "port": taken},
        )
    url = f"http://{host}:{taken}/metrics"
    return MetricsServer(http, _announce(data_dir, role, url, mcp_url), thread)


def _listen(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a scraper that hangs up early is no news either."""

    try:
        return Server((host, port), handler)
    except OSError:
        if port == 0:
            raise
        return Server((host, 0), handler)


def _announce(data_dir: Path | None, role: str, url: str, mcp_url: str | None) -> Path | None:
    if data_dir is None or not data_dir.is_dir():
        return None
    path = data_dir / "run" / f"{role}-{os.getpid()}.json"
    said = {"role": role, "pid": os.getpid(), "metrics_url": url}
    if mcp_url is not None:
        said["mcp_url"] = mcp_url
    with suppress(OSError):  # someone else's data folder is no reason not to run
        path.parent.mkdir(mode=0o700, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(said), "utf-8")
        unfinished.replace(path)
        return path
    return None


def _handler(
    registry: CollectorRegistry, ready: Callable[[], dict[str, bool]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, content_type, encode(registry))
            elif path == "/livez":
                self._answer(200, "application/json", b'{"status":"alive"}')
            elif path == "/readyz":
                parts = ready()
                status = 200 if all(parts.values()) else 503
                self._answer(status, "application/json", json.dumps(parts).encode())
            else:
                self._answer(404, "text/plain", b"try /metrics, /livez or /readyz\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
