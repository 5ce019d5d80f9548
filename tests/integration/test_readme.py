"""What the README tells a new user to type, typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.worker.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        text
        for found, text in BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
        if found == language
    ]


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, str]]:
    """Run what `make up` runs, on free ports, and return the environment of the user's shell."""
    with tempfile.TemporaryDirectory(prefix="godot-readme-") as folder:
        environ = {
            **os.environ,
            "GODOT_DATA_DIR": folder,
            "GODOT_MCP_PORT": "0",
            "DEWEY_MCP_PORT": "0",
            "GODOT_METRICS_PORT": "0",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        up = ["godot", "up", "--detach", "--wait", "60s"]
        subprocess.run(up, env=environ, check=True, capture_output=True, timeout=90)
        try:
            yield environ
        finally:
            subprocess.run(["godot", "down"], env=environ, check=True, capture_output=True)


def run(environ: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_lines_work_as_they_stand(running: dict[str, str]):
    assert len(blocks("python")) >= 2
    for code in blocks("python"):
        assert run(running, sys.executable, "-c", code) == "", "records must not end on stdout"

    def stored(text: str) -> bool:
        return text in run(running, "godot", "query", text, "--since", "1h")

    for text in ("order placed", "card declined", "retrying payment"):
        eventually(partial(stored, text), f"{text!r} to be stored")

    commands = [block for block in blocks("sh") if block.strip() != "make up"]
    assert commands
    for block in commands:
        run(running, "bash", "-euc", block)
    for text in ("nightly backup done", "disk almost full"):
        eventually(partial(stored, text), f"{text!r} to be stored")


def test_make_up_is_what_the_readme_starts_with():
    assert blocks("sh")[0] == "make up\n"
    assert "$(BIN)/godot up" in (ROOT / "Makefile").read_text("utf-8")
