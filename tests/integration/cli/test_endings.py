"""How commands end that cannot even begin, or whose words nobody takes: a line and a code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

NO_ROOM = "No space left on device"
NOBODY = "redis://127.0.0.1:1/0"


def said(
    *command: str, stdout: IO[bytes] | int = subprocess.PIPE, **variables: str
) -> tuple[int, str, str]:
    """Run a program's module as a shell does, and return its code and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **variables}, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout or "", done.stderr


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("godot statu", "GD-1009 no such command 'statu'. Did you mean 'status'?"),
        ("godot clear --yess", "GD-1009 no such option '--yess'. Did you mean '--yes'?"),
        ("godot query -n", "GD-1009 option '-n' requires an argument"),
        ("godot peek -n x", "GD-1009 invalid value for '-n' / '--limit':"
         " 'x' is no whole number from 1 to 1,000"),
        ("godot top --iterations 0", "GD-1009 invalid value for '--iterations':"
         " '0' is no whole number from 1 on"),
        ("godot show", "GD-1009 missing argument 'ID'"),
        ("godot completion",
         "GD-1009 missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
        ("godot --color", "GD-1009 option '--color' requires an argument"),
        ("godot replay", "GD-1009 give either --from ID or --since TIME"),
        ("dewey_logs migrat", "no such command 'migrat'. Did you mean 'migrate'?"),
        ("dewey_logs partitions -o", "option '-o' requires an argument"),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_read_is_one_line_that_says_what_to_change(
    typed: str, answer: str, tmp_path: Path
):
    code, out, err = said(*typed.split(), HOME=str(tmp_path))
    assert (code, out) == (2, "")
    line, see = err.removesuffix("\n").split(" — see: ")
    assert line == f"error: {answer}"
    program, *words = see.split()
    assert program == typed.split()[0].removesuffix("_logs")
    assert words[-1] == "--help"
    assert set(words[:-1]) <= set(typed.split())


@pytest.mark.parametrize("typed", ["level set {} info", "dlq ls --reason {}", "streams {}"])
def test_what_is_no_unicode_is_one_line(typed: str, tmp_path: Path):
    code, out, err = said("godot", *typed.format("\udcff\udcfe").split(), HOME=str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith("error: GD-1009 invalid value for ")
    assert ": it is no valid UTF-8 — see: godot " in err


@pytest.mark.parametrize("option", ["foo=bar", "socket_timeout=soon"])
def test_an_option_that_redis_py_does_not_take_is_one_line(option: str, tmp_path: Path):
    url = f"{NOBODY}?{option}"
    code, out, err = said("godot", "groups", HOME=str(tmp_path), GODOT_REDIS_URL=url)
    assert (code, out) == (2, "")
    assert err.startswith("error: GD-1001 GODOT_REDIS_URL has options that cannot be used: ")
    assert option.partition("=")[0] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("url", ["postgresql:///x?host=a..b", "postgresql://\udcff/x"])
def test_a_store_s_url_that_names_no_host_is_one_line(url: str, tmp_path: Path):
    code, out, err = said("dewey_logs", "migrate", HOME=str(tmp_path), DEWEY_URL=url)
    assert (code, out) == (2, "")
    assert err.startswith("error: the store's URL cannot be ")
    assert err.count("\n") == 1


def test_an_address_that_nobody_may_listen_at_has_a_code_of_its_own(tmp_path: Path):
    code, out, err = said("godot", "mcp", HOME=str(tmp_path), GODOT_HOST="0.0.0.0")
    assert (code, out) == (1, "")
    assert err.startswith("error: GD-4008 GODOT_HOST=0.0.0.0 is not a loopback address: set ")


@pytest.mark.parametrize(
    "typed", ["godot --help", "godot tail --help", "godot --version", "dewey_logs --help"]
)
def test_help_without_room_for_it_is_one_line(typed: str):
    with Path("/dev/full").open("wb") as full:
        code, _, err = said(*typed.split(), stdout=full)
    assert code == 1
    assert err.startswith("error: ")
    assert err.endswith(f"the system refuses: {NO_ROOM}\n")
    assert err.count("\n") == 1


def test_a_check_whose_answer_cannot_be_written_is_no_warning(tmp_path: Path):
    """The code of a failed write is that of a warning everywhere else."""
    with Path("/dev/full").open("wb") as full:
        code, _, err = said(
            "godot", "check", "group", stdout=full, HOME=str(tmp_path), GODOT_REDIS_URL=NOBODY
        )
    assert (code, err) == (3, f"error: GD-4010 the system refuses: {NO_ROOM}\n")


def test_a_check_whose_reader_is_gone_ends_with_its_verdict(tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    nobody = {"HOME": str(tmp_path), "GODOT_REDIS_URL": NOBODY}
    code, _, err = said("godot", "check", "group", stdout=writing, **nobody)
    os.close(writing)
    assert (code, err) == (3, "")  # nobody can tell


def test_what_the_encoding_of_the_output_lacks_is_escaped(tmp_path: Path):
    (tmp_path / "a.log").write_text("caf\xe9 \N{SNOWMAN} \N{SNAKE}\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "godot", "view", str(tmp_path / "a.log"), "-o", "text"],
        capture_output=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"caf\xe9 \\u2603 \\U0001f40d\n")


def test_an_interrupt_while_it_is_still_being_imported_is_silent(tmp_path: Path):
    (tmp_path / "click.py").write_text("print('here', flush=True)\nimport time\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "godot", "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT  # which a shell calls 130
        assert process.stderr.read() == b""


def test_colour_is_decided_before_a_command_line_is_read():
    program = "import pty, sys; pty.spawn([sys.executable, '-m', 'godot', '--no-such-option'])"
    for colour, begins in (({}, "\x1b[31merror:"), ({"NO_COLOR": "1"}, "error: GD-1009 ")):
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", **colour}, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.stdout.startswith(begins), done
