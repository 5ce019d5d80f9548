"""LOOK: other programs' lines, made readable; no server is asked."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING

import click

from godot.cli._filters import level_option
from godot.cli._group import Command
from godot.cli._look import Look, exclude_option, kept, look_options
from godot.cli._output import note, output_options
from godot.cli._records import RecordWriter

if TYPE_CHECKING:
    from dewey_logs import LogRecordView
    from godot.ingest import Line


@click.command(
    cls=Command,
    examples="""
    kubectl logs -f shop | godot view -       JSON lines of any logger, readable
    godot view app.log -l warn -x heartbeat   warnings and errors of a file
    godot view app.log -o csv --fields created_at,level,data.user.id
    """,
)
@click.argument(
    "files",
    nargs=-1,
    metavar="[FILE|-]...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@level_option
@exclude_option
@look_options
@output_options
def view(
    files: tuple[str, ...],
    level: str | None,
    exclude: tuple[re.Pattern[str], ...],
    look: Look,
    output: str,
) -> None:
    """Show JSON lines, logfmt or plain text as records; from stdin, or of files. [read]

    Nothing is sent or stored, and no server is asked. A line that is none of these is shown as it
    stands.
    """
    keep = kept(exclude)
    grave = None if level is None else _from(level)
    with RecordWriter(output, look) as writer:
        writer.write(())  # the header of a form that has one
        for name in files or ("-",):
            with _opened(name) as fd:
                for batch in _records(name, fd, grave):
                    writer.write(batch if keep is None else filter(keep, batch))


@contextmanager
def _opened(name: str) -> Iterator[int]:
    if name == "-":
        if sys.stdin.isatty():
            note("reading what is typed; Ctrl-D ends")
        yield sys.stdin.fileno()
        return
    fd = os.open(name, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def _from(level: str) -> frozenset[str]:
    """Return the levels from this one on."""
    from clientlib import Level, RecordError, parse_level

    try:
        least = parse_level(level)[0]
    except RecordError as exc:
        raise click.BadParameter(str(exc), param_hint="--level") from None
    return frozenset(one.name for one in Level if one >= least)


def _records(name: str, fd: int, grave: frozenset[str] | None) -> Iterator[list[LogRecordView]]:
    """Yield the lines of each read as records, of `grave` levels if there are any.

    A line of text without a level belongs to the one before, as the lines of a stack trace do.
    """
    from godot.ingest import Format, Parser, read_lines

    parser = Parser("", "", Format.AUTO)
    shown = grave is None
    for lines in read_lines(fd, name="stdin" if name == "-" else name):
        batch = []
        for raw in lines:
            text = raw.decoded()
            if not text.strip():
                parser.blank()
                continue
            line = parser.parse(text)
            level = _level(line)
            if grave is not None and (level or line.structured):
                shown = level in grave
            if shown:
                batch.append(_record(line, level, text))
        yield batch


def _level(line: Line) -> str:
    from clientlib import parse_level

    return "" if line.level is None else parse_level(line.level)[0].name


def _record(line: Line, level: str, text: str) -> LogRecordView:
    """Return a line as a record; what it does not say is empty, text stays as it is."""
    from dewey_logs import LogRecordView

    if not line.structured:
        return LogRecordView("", "", "", "", text)
    at = line.created_at
    return LogRecordView(
        id="",
        created_at="" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        component=line.component or "",
        level=level,
        message=line.message,
        trace_id=line.trace_id,
        data=line.data,
    )
