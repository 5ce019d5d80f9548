"""How a server process shows itself: log lines on stderr, its metrics, and where to find them.

Godot's processes have the same in `godot.logs` and `godot.metrics`, which Dewey does not know.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stderr() -> None:
    """Send everything from INFO up to stderr as JSON lines; stdout may carry a protocol."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("mcp", "uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def metrics_served(
    role: str, registry: CollectorRegistry, host: str, port: int, mcp_url: str
) -> Iterator[None]:
    """Serve /metrics, on a free port when the wanted one is taken, and leave the address behind."""
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError:
        server, thread = start_http_server(0, host, registry)
    metrics_url = f"http://{host}:{server.server_port}/metrics"
    try:
        with _announced(role, metrics_url, mcp_url):
            yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)


@contextmanager
def _announced(role: str, metrics_url: str, mcp_url: str) -> Iterator[None]:
    """Keep `run/ROLE-PID.json` in GODOT_DATA_DIR, where this machine's processes are listed."""
    folder = os.environ.get("GODOT_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        yield
        return
    pid = os.getpid()
    path = Path(folder) / "run" / f"{role}-{pid}.json"
    said = {"role": role, "pid": pid, "metrics_url": metrics_url, "mcp_url": mcp_url}
    with suppress(OSError):  # a folder of someone else's is no reason not to serve
        path.parent.mkdir(mode=0o700, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(said), "utf-8")
        unfinished.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
