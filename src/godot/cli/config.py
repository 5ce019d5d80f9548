"""OPERATE: the settings that are in force."""

from __future__ import annotations

import click

from godot.cli._group import Command
from godot.cli._output import USAGE, emit_rows, note, output_options

COLUMNS = ("variable", "value", "default", "allowed", "origin", "problem")


@click.command(
    cls=Command,
    examples="""
    godot config                              every setting and its value, secrets hidden
    godot config --origin                     and where each comes from
    godot config -o json | jq '.items[] | select(.origin != "default")'
    """,
)
@click.option(
    "--origin", is_flag=True, help="Also where each value comes from, and what it may be."
)
@output_options
@click.pass_context
def config(context: click.Context, origin: bool, output: str) -> None:
    """Show the settings in force, secrets hidden; exit code 2 when one cannot be used. [read]

    The order is: the variable, the file that NAME_FILE names, a running stack, the default.
    """
    from godot.configuration import listing

    found = listing()
    rows = [
        {
            "variable": one.variable,
            "value": one.value,
            "default": one.default,
            "allowed": one.allowed,
            "origin": one.origin,
            "problem": one.problem,
        }
        for one in found
    ]
    columns: tuple[str, ...] = COLUMNS
    if output == "text":
        columns = ("variable", "origin", "value") if origin else ("variable", "value")
    emit_rows(rows, columns, output=output, schema="godot.config/1")
    wrong = [one.problem for one in found if one.problem is not None]
    for problem in wrong:
        note(problem)
    if wrong:
        context.exit(USAGE)
