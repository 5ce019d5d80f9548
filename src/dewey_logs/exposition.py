"""Each process serves its own /metrics; any of them tells where the others of this machine are.

No multiprocess mode: it forbids custom collectors, and its files are never removed. A second
process on the same host takes a free port, and all of them leave their address in
`GODOT_DATA_DIR/run`: `/sd` is what stands there, in the form that Prometheus discovers targets by.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from dewey_logs.errors import CannotListen

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
POLL_S = 0.05  # how long closing may take
RUN_FOLDER = "run"
DAY_S = 86_400.0
IDLE_S = 120.0  # a connection that asks for nothing is closed: each of them holds a thread

Ready = Callable[[], dict[str, bool]]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a timestamp series beside each counter says nothing we need


class MetricsServer:
    """A small HTTP server on a thread of its own; a context manager."""

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
            with suppress(OSError):
                self._announcement.unlink(missing_ok=True)
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5.0)

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    *,
    port: int,
    host: str,
    exposed_at: str | None = None,
    role: str,
    registry: CollectorRegistry,
    ready: Ready,
    data_dir: Path | None,
    mcp_url: str | None = None,
) -> MetricsServer:
    """Serve /metrics, /sd, /livez and /readyz; take a free port when `port` is taken.

    Metrics ask for no token, so only this machine can reach them, whatever `host` is, unless
    `exposed_at` names an address: one of a network where nobody has to ask. `ready` answers from
    what the process knows; it is called for each /readyz. The announcement is written to
    `data_dir/run/ROLE-PID.json` when `data_dir` exists. Raises CannotListen for an address that is
    none of this machine.
    """
    if exposed_at is not None:
        host = exposed_at
    elif host not in LOOPBACK:
        host = LOOPBACK[0]  # the tools are served to others
    Info("godot_build", "What runs here.", registry=registry).info(
        {"version": version("godot-logs"), "role": role}
    )
    answers = _Answers(registry, ready, data_dir)
    http = _listen(host, port, _handler(answers))
    answers.own = {"role": role, "metrics_url": _url(host, http.server_address[1])}
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
    said = {**answers.own, "pid": os.getpid()}
    if mcp_url is not None:
        said["mcp_url"] = mcp_url
    return MetricsServer(http, _announce(data_dir, said), thread)


def targets(data_dir: Path | None, own: Mapping[str, object]) -> list[dict[str, object]]:
    """Return where every process of this machine is scraped, as Prometheus discovers it over HTTP.

    Those over the same data folder that are alive: one that was killed could not take its
    announcement back. The own one is among them in any case.
    """
    found = {str(own["metrics_url"]): str(own["role"])}
    for said in _announcements(data_dir):
        found.setdefault(str(said["metrics_url"]), str(said["role"]))
    return [
        {"targets": [urlsplit(url).netloc], "labels": {"role": role}}
        for url, role in sorted(found.items(), key=lambda item: (item[1], item[0]))
    ]


def _announcements(data_dir: Path | None) -> Iterator[dict[str, object]]:
    if data_dir is None:
        return
    for path in (data_dir / RUN_FOLDER).glob("*-*.json"):
        try:
            said = json.loads(path.read_bytes())
            alive = _is_alive(int(said["pid"])) and {"role", "metrics_url"} <= said.keys()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # going away just now, or not ours
        if alive:
            yield said


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _url(host: str, port: object) -> str:
    return f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"


def _listen(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        allow_reuse_address = True

        def server_bind(self) -> None:
            """Bind, and nothing more: HTTPServer would ask the DNS for our own name, and wait."""
            TCPServer.server_bind(self)

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a scraper that hangs up early, but of a mistake of ours."""
            if not isinstance(sys.exception(), OSError):
                log.exception("request failed", extra={"action": "metrics"})

    try:
        return Server((host, port), handler)
    except OSError as exc:
        if port:
            return _listen(host, 0, handler)
        raise CannotListen(
            f"GODOT_METRICS_HOST={host} cannot be listened on: {exc.strerror}"
        ) from exc


def _announce(data_dir: Path | None, said: Mapping[str, object]) -> Path | None:
    if data_dir is None or not data_dir.is_dir():
        return None
    path = data_dir / RUN_FOLDER / f"{said['role']}-{said['pid']}.json"
    with suppress(OSError):  # someone else's data folder is no reason not to run
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sweep(path.parent)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(said), "utf-8")
        unfinished.replace(path)
        return path
    return None


def _sweep(folder: Path) -> None:
    """Remove what killed processes left there a day ago: each that is killed leaves a file."""
    for path in folder.glob("*-*.json"):
        with suppress(OSError, ValueError):
            pid = int(path.stem.rpartition("-")[2])
            if path.stat().st_mtime < time.time() - DAY_S and not _is_alive(pid):
                path.unlink()


class _Answers:
    """What is answered, by path: status, content type, body."""

    def __init__(self, registry: CollectorRegistry, ready: Ready, data_dir: Path | None) -> None:
        self._registry = registry
        self._ready = ready
        self._data_dir = data_dir
        self.own: dict[str, object] = {}

    def to(self, path: str, accept: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return 200, content_type, encode(self._registry)
        if path == "/sd":
            return _json(200, targets(self._data_dir, self.own))
        if path == "/livez":
            return _json(200, {"status": "alive"})
        if path == "/readyz":
            parts = self._ready()
            return _json(200 if all(parts.values()) else 503, parts)
        return 404, "text/plain", b"try /metrics, /sd, /livez or /readyz\n"


def _json(status: int, said: object) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(said).encode()


def _handler(answers: _Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status, content_type, body = answers.to(path, self.headers.get("Accept", ""))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
