"""START: a program's output as records, without a change to the program."""

from __future__ import annotations

import click

from godot.cli._errors import FAILURE, fail
from godot.cli._group import Command

FORMATS = ("auto", "json", "logfmt", "text")


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples="""
    godot run -- ./server --port 8080         its lines are records of the component "server"
    godot run -c backup -- sh -c 'pg_dump app | gzip > app.gz'
    godot run --format json -- node app.js    every line is one JSON object
    """,
)
@click.option("-c", "--component", metavar="NAME", help="Default: what the command runs.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="auto", show_default=True,
    help="How its lines are written; auto decides line by line.",
)  # fmt: skip
@click.option("-l", "--level", default="INFO", show_default=True, help="Of lines that show none.")
@click.option(
    "--stderr-level", default="WARN", show_default=True, help="The same for those on stderr."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(
    component: str | None, form: str, level: str, stderr_level: str, command: tuple[str, ...]
) -> None:
    """Run a program; each line that it writes is a record as well. [write]

    stdin, stdout, stderr, signals and the exit code pass through. It never waits for Redis: what
    cannot be recorded yet waits beside it. How it ends is a record, too.
    """
    import os
    import shutil

    from clientlib import parse_level
    from godot.ingest import Format
    from godot.running import record
    from godot.settings import load
    from godot.tap import stdio
    from godot.tap.naming import name_of
    from godot.tap.recorder import Recorder

    if not command:
        raise click.UsageError("no program given: godot run [OPTIONS] -- COMMAND ARGS...")
    if shutil.which(command[0]) is None:  # so that nothing is recorded of what never ran
        if os.sep in command[0] and os.path.exists(command[0]):
            fail("GD-4010", f"{command[0]} is there, but is no program to run", "", 126)
        fail("GD-4010", f"{command[0]} is no program that can be found", "", 127)
    levels = [parse_level(text)[0].name for text in (level, stderr_level)]
    recorder = Recorder(
        component or name_of(command),
        {"command": list(command)},
        None,
        record(load(), Format(form), *levels),
    )
    try:
        stdio.run(command, recorder, its_own_stdin=True)
    except OSError as exc:
        code = {FileNotFoundError: 127, PermissionError: 126}.get(type(exc), FAILURE)
        fail("GD-4010", f"{command[0]} cannot be started: {exc.strerror}", "", code)
