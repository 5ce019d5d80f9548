from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker.conftest import bench, working

__all__ = ["bench", "working"]

PACKAGE = Path(__file__).resolve().parents[3] / "src/clientlib/js"
LogInJavaScript = Callable[..., None]


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the package's dependency beside it: `make test` installs it."""
    found = shutil.which("node")
    if found is None or not (PACKAGE / "node_modules/.ready").exists():
        pytest.skip("Node >= 20 or the packages of src/clientlib/js are missing")
    return found


@pytest.fixture
def run_node(node: str, redis_url: str, stream_name: str, tmp_path: Path) -> Callable[..., str]:
    """Run a program that finds the package as `godot-logs`, and return what it printed."""
    home = tmp_path / "node_modules"
    home.mkdir()
    (home / "godot-logs").symlink_to(PACKAGE)
    for name in ("express", "pino"):
        (home / name).symlink_to(PACKAGE / "node_modules" / name)

    def run(file: Path, stdin: str = "", **variables: str) -> str:
        environ = {**os.environ, "GODOT_REDIS_URL": redis_url, "GODOT_STREAM": stream_name}
        done = subprocess.run(
            [node, str(file)],
            input=stdin,
            env={**environ, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def log_in_javascript(run_node: Callable[..., str]) -> LogInJavaScript:
    """Log cases (in the vectors' shorthands) through the JavaScript client; wait for delivery."""

    def log(cases: list[dict[str, Any]], **variables: str) -> None:
        lines = "".join(json.dumps(case) + "\n" for case in cases)
        assert run_node(PACKAGE / "test/support/log-cases.js", lines, **variables) == ""

    return log
