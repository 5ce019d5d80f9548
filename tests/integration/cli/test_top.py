"""Full screen: a terminal is drawn on, and given back as it was."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios

import pytest

from godot.cli._screen import BEGIN, END


def read_until(master: int, wanted: bytes) -> bytes:
    """Read what a program writes to its terminal, up to a text."""
    seen = b""
    while wanted not in seen:
        seen += os.read(master, 65_536)
    return seen


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("command", "ending", "code"),
    [
        (["top", "--interval", "200ms"], b"q", 0),
        (["top"], signal.SIGTERM, 130),
        (["status", "--watch", "200ms"], signal.SIGINT, 130),
    ],
)
def test_a_screen_is_given_back_however_it_ends(terminal, environment, command, ending, code):
    master, slave = terminal
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [sys.executable, "-m", "godot", *command],
        env=environment | {"NO_COLOR": "1"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    seen = read_until(master, b"q ends")
    assert termios.tcgetattr(slave) != before
    if isinstance(ending, bytes):
        seen += read_until(master, b"q ends")
        os.write(master, ending)
    else:
        process.send_signal(ending)
    seen += read_until(master, END.encode())
    assert process.wait(60) == code
    assert termios.tcgetattr(slave) == before
    assert seen.startswith(BEGIN.encode())
    assert b"GROUP" in seen
    assert b"GD-3102" in seen  # nobody reads the test's stream
    assert b"\x1b[3" not in seen  # no colour


def test_on_a_terminal_that_can_be_steered_by_nothing_one_look_follows_the_other(
    terminal, environment
):
    master, slave = terminal
    process = subprocess.Popen(
        [sys.executable, "-m", "godot", "status", "--watch", "1h"],
        env=environment | {"TERM": "dumb"}, stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    assert b"\x1b" not in read_until(master, b"PRODUCERS")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_without_a_terminal_top_says_what_there_is_instead(here):
    done = here("top")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"godot status --watch -o jsonl" in done.stderr


def test_a_watch_in_a_pipe_is_a_document_a_line(start, here):
    process = start("status", "--watch", "100ms", "-o", "jsonl")
    found = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [one["schema"] for one in found] == ["godot.status/1"] * 2
    assert found[1]["stream"]["added_per_s"] == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    for other in (("-o", "json"), ("--exit-code",)):
        assert here("status", "--watch", *other).returncode == 2
