"""Completion as the shells do it: each runs the script it is given, and asks the program."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"


def shell(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": PATH, "HOME": str(tmp_path), "TERM": "xterm", "LC_ALL": "C.UTF-8"}


def said(environment: dict[str, str], *command: str) -> list[str]:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("godot sta", ["status"]), ("godot tail -l e", ["error"]), ("godot dlq r", ["retry"])],
)
def test_bash_completes(environment: dict[str, str], typed: str, offered: list[str]):
    script = f"""
        eval "$(godot completion bash)"
        COMP_WORDS=({typed}) COMP_CWORD={len(typed.split()) - 1}
        complete -p godot > /dev/null && _godot_completion godot
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert said(environment, shell("bash"), "--norc", "-c", script) == offered


def test_fish_completes_and_tells_what_each_does(environment: dict[str, str]):
    script = 'godot completion fish | source; complete -C"godot co"; complete -C"godot tail -l e"'
    offered = said(environment, shell("fish"), "--no-config", "-c", script)
    assert sorted(offered) == [
        "completion\tComplete in a shell.",
        "config\tShow the settings in force.",
        "consumers\tSee to workers.",
        "count\tCount records, over time or by field.",
        "error",
    ]


@pytest.fixture
def zsh(environment: dict[str, str]) -> Iterator[int]:
    """A terminal with a zsh in it that has compinit and our script."""
    path = shell("zsh")
    process, terminal = pty.fork()
    if process == 0:
        os.execve(path, ["zsh", "-f", "-i"], environment | {"PS1": "", "COLUMNS": "80"})
    prepared = 'autoload -Uz compinit; compinit -D -u; eval "$(godot completion zsh)"'
    os.write(terminal, f"{prepared}; print rea''dy\n".encode())
    until(terminal, "ready")
    yield terminal
    os.write(terminal, b"\x15exit\n")
    with suppress(OSError):
        while os.read(terminal, 65_536):
            pass
    os.close(terminal)
    os.waitpid(process, 0)


def until(terminal: int, wanted: str) -> str:
    seen = ""
    while wanted not in seen:
        seen += os.read(terminal, 65_536).decode("utf-8", "replace")
    return seen


def test_zsh_completes_and_tells_what_each_does(zsh: int):
    os.write(zsh, b"godot stat\t")
    until(zsh, "godot status")
    os.write(zsh, b"\x15godot co\t")
    assert "count       -- Count records, over time or by field." in until(zsh, "in a shell.")
    os.write(zsh, b"\x15godot tail -l e\t")
    until(zsh, "error")


def test_each_name_of_the_program_has_a_script_of_its_own(environment: dict[str, str]):
    assert "complete -o nosort -F _godot_logs_completion godot-logs" in " ".join(
        said(environment, shell("godot-logs"), "completion", "bash")
    )
