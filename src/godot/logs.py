"""Godot's own log lines: to stderr, never through our own client.

A log system that logs into itself feeds back: each batch that fails would make records that fail.
The message is constant and the data stands in `extra`, so that a line can be counted and searched.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then what stood in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Spoken(logging.Handler):
    """Tells a person each warning once, with its reason: a command's answer has the numbers."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._told:
            self._told.add(message)
            reason = getattr(record, "reason", "")
            self._tell(f"{message}: {reason}" if reason else message)


def get_logger(name: str) -> logging.Logger:
    return logging.getLogger(name)


@contextmanager
def spoken(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell a person, who runs a command that ends, what a worker would log."""
    root, handler = logging.getLogger(), Spoken(tell)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def configure(level: int = logging.INFO) -> None:
    """Send everything from INFO up to stderr as JSON lines; call once, first thing in a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("mcp", "uvicorn", "uvicorn.access", "httpx", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
