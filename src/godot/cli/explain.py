"""OPERATE: what a code means."""

from __future__ import annotations

import click

from godot.cli._group import Command
from godot.cli._output import USAGE, emit_document, emit_rows, fail, output_options

COLUMNS = ("code", "title")


def _complete(_: click.Context, __: click.Parameter, beginning: str) -> list[str]:
    from godot.explanations import codes

    return [code for code in codes() if code.startswith(beginning.upper())]


@click.command(
    cls=Command,
    examples="""
    godot explain GD-3101                     what has happened, and what to do
    godot explain 3101                        the number will do
    godot explain                             every code there is
    """,
)
@click.argument("code", required=False, shell_complete=_complete)
@output_options
def explain(code: str | None, output: str) -> None:
    """Explain a code that an error, status, check or doctor shows. [read]"""
    import textwrap

    from godot.explanations import EXPLANATIONS, codes

    if code is None:
        rows = [{"code": one, "title": EXPLANATIONS[one].title} for one in codes()]
        emit_rows(rows, COLUMNS, output=output, schema="godot.codes/1")
        return
    wanted = code.upper().rstrip(":")
    wanted = wanted if wanted.startswith("GD-") else f"GD-{wanted.removeprefix('GD')}"
    found = EXPLANATIONS.get(wanted)
    if found is None:
        fail("GD-1006", f"{code!r} is no code", "see: godot explain", USAGE)
    document = {"code": wanted, "title": found.title, "text": found.text}
    lines = [f"{wanted}  {found.title}", "", *textwrap.wrap(found.text, 78)]
    emit_document(document, lines, output=output, schema="godot.explanation/1")
