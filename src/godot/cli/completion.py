"""OPERATE: completion for a shell; the scripts are click's own."""

from __future__ import annotations

import sys
from pathlib import PurePath

import click

from godot.cli._group import Command
from godot.cli._output import write_line

SHELLS = ("bash", "zsh", "fish")
NAMES = ("godot", "godot-logs")
ASKED_BY = "_GODOT_COMPLETE"  # by whichever name the program is called


@click.command(
    cls=Command,
    examples="""
    eval "$(godot completion bash)"           in ~/.bashrc; bash 4.4 or newer
    eval "$(godot completion zsh)"            in ~/.zshrc, after compinit
    godot completion fish > ~/.config/fish/completions/godot.fish
    """,
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options and their values. [read]

    It is for the name that it was asked by: godot, or godot-logs.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    called = PurePath(sys.argv[0]).name
    name = called if called in NAMES else NAMES[0]
    # asked for by its parts: constructing it checks the version of bash by running it
    script = found(click.get_current_context().find_root().command, {}, name, ASKED_BY).source()
    if shell == "fish":  # of what a command does, everything behind a comma was left out
        script = script.replace('string split ","', 'string split -m 1 ","')
    write_line(script)
