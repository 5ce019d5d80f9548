"""`dewey serve` in front of the database, restarted whenever it dies: `--store mcp`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from godot.embedded.process import Child

ROOT = Path(__file__).resolve().parents[2]


class Dewey:
    """The process; its port stays the same, so that the workers' proxies find every next one."""

    def __init__(self, folder: Path, database: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.log = folder / "dewey.log"
        self.held = False  # down until released
        self.starts = 0
        self.child: Child | None = None
        self._environ = {
            "DEWEY_URL": database,
            "DEWEY_MCP_PORT": str(self.port),
            "GODOT_METRICS_PORT": "0",
            "GODOT_DATA_DIR": str(folder / "nothing-runs-here"),
        }

    def tend(self) -> None:
        """Start it unless it runs or is held down."""
        if self.held or (self.child is not None and self.child.running):
            return
        self.starts += 1
        self.child = Child(
            "dewey",
            [sys.executable, "-m", "dewey_logs", "serve"],
            log=self.log,
            cwd=ROOT,
            env={**os.environ, **self._environ},
        )

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()

    def close(self) -> None:
        self.held = True
        if self.child is not None:
            self.child.ask_to_stop()
            self.child.wait(20.0)
