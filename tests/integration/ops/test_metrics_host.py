"""GODOT_METRICS_HOST: where metrics are served to the network of containers, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from godot.settings import Settings
from tests.integration.worker.conftest import eventually

COMMANDS = (
    ("worker", ("godot", "worker")),
    ("mcp", ("godot", "mcp")),
    ("dewey", ("dewey_logs", "serve")),
    ("dewey", ("dewey_logs", "maintain")),
)
ELSEWHERE = "127.0.0.77"


def announced(folder: Path) -> list[tuple[str, str]]:
    """Return the role of each program, and where it says that its metrics are."""
    found = [json.loads(path.read_bytes()) for path in (folder / "run").glob("*-*.json")]
    return [(said["role"], said["metrics_url"]) for said in found]


def test_every_program_serves_its_metrics_where_it_is_told(settings: Settings):
    environ = {
        **os.environ,
        "GODOT_REDIS_URL": settings.redis_url,
        "DEWEY_URL": settings.dewey_url or "",
        "GODOT_STREAM": settings.stream,
        "GODOT_DATA_DIR": str(settings.data_dir),
        "GODOT_MCP_PORT": "0",
        "DEWEY_MCP_PORT": "0",
        "GODOT_METRICS_PORT": "0",
        "GODOT_METRICS_HOST": ELSEWHERE,
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _, command in COMMANDS
    ]
    try:
        eventually(
            lambda: len(announced(settings.data_dir)) == len(COMMANDS), "all to be there", 90
        )
        assert {role for role, _ in announced(settings.data_dir)} == {role for role, _ in COMMANDS}
        for role, url in announced(settings.data_dir):
            with urllib.request.urlopen(url, timeout=60) as answer:
                assert f'role="{role}"'.encode() in answer.read()
            parts = urlsplit(url)
            assert parts.hostname == ELSEWHERE, role
            with pytest.raises(urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{parts.port}/metrics", timeout=60)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
