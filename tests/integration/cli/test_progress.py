"""What takes long shows on a terminal how far it came: on stderr, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

BARS = {
    "ingest": (["ingest", "-"], b" lines"),
    "replay": (["replay", "--from", "0-1", "--yes"], b"replaying"),
    "export of letters": (["dlq", "export"], b"letters written"),
    "export of records": (["query", "--all", "-o", "jsonl"], b"records read"),
    "bench": (["bench", "--records", "1000", "--yes"], b"measuring"),
}


@pytest.fixture
def said(environment):
    """Run a command whose stderr is a terminal; return its exit code, stdout, and what came."""

    def run(*arguments):
        screen, terminal = os.openpty()
        shown: list[bytes] = []
        reader = threading.Thread(target=read, args=(screen, shown))
        reader.start()
        process = subprocess.Popen(
            [sys.executable, "-m", "godot", *arguments],
            env=environment | {"TERM": "xterm"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        out, _ = process.communicate(b"one line\n", timeout=60)
        reader.join(60)
        os.close(screen)
        return process.returncode, out, b"".join(shown)

    return run


def read(screen: int, shown: list[bytes]) -> None:
    with suppress(OSError):  # that is how a terminal ends
        while block := os.read(screen, 65_536):
            shown.append(block)


@pytest.mark.parametrize("what", BARS)
def test_what_takes_long_shows_a_bar_on_a_terminal_and_none_elsewhere(what, said, here, run):
    arguments, name = BARS[what]
    assert here("emit", "a record").returncode == 0
    code, out, shown = said(*arguments)
    assert code == 0, shown
    assert name in shown
    assert "━".encode() in shown
    assert b"\x1b" not in out
    elsewhere = (run if what == "ingest" else here)(*arguments, stdin=b"one line\n")
    assert b"\x1b" not in elsewhere.stderr
