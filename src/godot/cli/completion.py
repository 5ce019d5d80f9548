"""OPERATE: completion for a shell; the scripts are click's own."""

from __future__ import annotations

import click

from godot.cli._group import Command
from godot.cli._output import write_line

SHELLS = ("bash", "zsh", "fish")


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
    """Print what makes a shell complete commands, options and their values. [read]"""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    context = click.get_current_context().find_root()
    name = context.info_name or "godot"
    # asked for by its parts: constructing it checks the version of bash by running it
    script = found(context.command, {}, name, f"_{name.upper().replace('-', '_')}_COMPLETE")
    write_line(script.source())
