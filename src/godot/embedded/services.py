"""The kinds of process a stack is made of: the two servers, and our own programs.

A program of ours is ready when its /readyz says so. Where that is listens it tells by itself, in
`run/ROLE-PID.json`; a server of tools is asked on its own port.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from godot.embedded.instance import RUN_FOLDER
from godot.embedded.postgres import Postgres
from godot.embedded.process import Child
from godot.embedded.valkey import Valkey

LOG_FOLDER = "logs"
VALKEY, POSTGRESQL = SERVER_NAMES = ("valkey", "postgresql")
ANSWER_TIMEOUT_S = 1.0
# -P: a folder called `godot` where the user happens to stand must not be taken for ours
PYTHON = (sys.executable, "-P", "-m")


class Server:
    """Valkey or PostgreSQL as a service."""

    def __init__(
        self,
        name: str,
        about: str,
        server: Valkey | Postgres,
        *,
        stop_rank: int,
        stop_timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self.about = about
        self.server = server
        self.stop_rank = stop_rank
        self.stop_timeout_s = stop_timeout_s

    @property
    def child(self) -> Child | None:
        return self.server.child

    def launch(self) -> None:
        self.server.launch()

    def ready(self) -> bool:
        return self.server.ready()


class Program:
    """One of our own programs, with its log under `logs/`.

    Without `has_health` it is ready as soon as it runs: the demo serves nothing.
    """

    def __init__(
        self,
        name: str,
        about: str,
        command: Sequence[str],
        *,
        data_dir: Path,
        env: Mapping[str, str],
        stop_rank: int,
        stop_timeout_s: float,
        mcp_url: str | None = None,
        has_health: bool = True,
    ) -> None:
        self.name = name
        self.about = about
        self.command = tuple(command)
        self.data_dir = data_dir
        self.env = dict(env)
        self.stop_rank = stop_rank
        self.stop_timeout_s = stop_timeout_s
        self.mcp_url = mcp_url
        self.has_health = has_health
        self.child: Child | None = None

    @property
    def log(self) -> Path:
        return self.data_dir / LOG_FOLDER / f"{self.name}.log"

    def launch(self) -> None:
        self._forget_announcement()
        self.child = Child(
            self.name, self.command, log=self.log, cwd=self.data_dir, env={**os.environ, **self.env}
        )

    def ready(self) -> bool:
        if not self.has_health:
            return True
        url = self.mcp_url or self.metrics_url
        return url is not None and _answers_ready(url)

    @property
    def metrics_url(self) -> str | None:
        """Return where the running process says its metrics are."""
        path = self._announcement()
        if path is None:
            return None
        try:
            url = json.loads(path.read_bytes()).get("metrics_url")
        except (OSError, ValueError, AttributeError):
            return None
        return url if isinstance(url, str) else None

    def _announcement(self) -> Path | None:
        if self.child is None:
            return None
        return next((self.data_dir / RUN_FOLDER).glob(f"*-{self.child.pid}.json"), None)

    def _forget_announcement(self) -> None:
        path = self._announcement()
        if path is not None:  # a process that was killed could not take it back
            path.unlink(missing_ok=True)


def _answers_ready(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port, timeout=ANSWER_TIMEOUT_S
    )
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
