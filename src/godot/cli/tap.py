"""LOOK: what passes between an MCP client and its server, and why a tool cannot be called."""

from __future__ import annotations

import click

from godot.cli._errors import FAILURE, fail
from godot.cli._group import Command


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples="""
    godot tap --as files -- npx -y @modelcontextprotocol/server-filesystem /srv
    godot tap -- python -m my_server          in a client's configuration, in place of the command
    """,
)
@click.option("--as", "name", metavar="NAME", help="The component; default: what the command runs.")
@click.option(
    "--propagate", is_flag=True,
    help="Give requests a trace id in params._meta, so that the server logs under it, too.",
)  # fmt: skip
@click.option(
    "--spill", metavar="FILE", type=click.Path(dir_okay=False),
    help="Where records go while Redis does not take them; default: nowhere, the newest wait.",
)  # fmt: skip
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def tap(name: str | None, propagate: bool, spill: str | None, command: tuple[str, ...]) -> None:
    """Run an MCP server and record every message that passes. [write]

    Everything passes byte for byte: stdin, stdout, stderr, signals, the exit code; --propagate
    alone changes requests. Each JSON-RPC message becomes a record at TRACE with the trace id of its request; each line of stderr becomes
    one, too. Redis may be away.
    """
    from godot.tap import stdio
    from godot.tap.naming import name_of
    from godot.tap.propagation import Propagation
    from godot.tap.recorder import Recorder

    if not command:
        raise click.UsageError("no server given: godot tap [--as NAME] -- COMMAND ARGS...")
    recorder = Recorder(name or name_of(command), {"command": list(command)}, spill)
    try:
        stdio.run(command, recorder, Propagation() if propagate else None)
    except OSError as exc:
        fail("GD-4010", f"{command[0]} cannot be started: {exc.strerror}", "", _shell_code(exc))


def _shell_code(exc: OSError) -> int:
    """Return what a shell exits with for a command that it cannot run."""
    return {FileNotFoundError: 127, PermissionError: 126}.get(type(exc), FAILURE)
