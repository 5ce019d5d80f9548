"""START: sending records without a client: one by hand, or other programs' logs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._output import emit_document, note, output_options, write_line

if TYPE_CHECKING:
    from godot.ingest import Parser, Shipment, Tally

FORMATS = ("auto", "json", "logfmt", "text")


def _pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, object]:
    """Read every -d: a JSON object, or key=value where the value is JSON if it reads as such."""
    data: dict[str, object] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError) as exc:
                raise click.BadParameter(f"{text!r} is not a JSON object: {exc}") from exc
            data.update(found)
            continue
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{text!r} is neither key=value nor a JSON object")
        try:
            data[key] = json.loads(value)
        except (ValueError, RecursionError):
            data[key] = value
    return data


@click.command(
    cls=Command,
    examples="""
    godot emit "deployed" -c deploy -d version=1.4.2
    godot emit "disk almost full" -l warn -d '{"free_gib": 3, "mount": "/var"}'
    make backup || godot emit "backup failed" -l error -c backup
    """,
)
@click.argument("message", type=click.UNPROCESSED)  # an empty one is a message
@click.option(
    "-c", "--component", envvar="GODOT_COMPONENT", default="cli", show_default=True,
    help="Who speaks.",
)  # fmt: skip
@click.option("-l", "--level", default="INFO", show_default=True, help="TRACE to ERROR.")
@click.option("-t", "--trace-id", help="The trace it belongs to.")
@click.option(
    "-d", "--data", multiple=True, callback=_pairs, metavar="KEY=VALUE|JSON",
    help="What belongs to it; give it as often as needed.",
)  # fmt: skip
@output_options
def emit(
    message: str,
    component: str,
    level: str,
    trace_id: str | None,
    data: dict[str, object],
    output: str,
) -> None:
    """Send one record and print its id, once the stream has it. [write]"""
    from godot.delivery import Delivery
    from godot.settings import load

    with Delivery(load()) as delivery:
        record = delivery.make(component, message, level, data or None, trace_id)
        delivery.send([record])
    if output in ("text", "plain"):
        write_line(record.id)
        return
    said = {"id": record.id, "created_at": record.created_at, "level": record.level}
    emit_document(said, [], output=output, schema="godot.emitted/1")


@click.command(
    cls=Command,
    examples="""
    godot ingest /var/log/dpkg.log /var/log/apt/*.log
    journalctl -f -o json | godot ingest -
    ./server 2>&1 | godot ingest - --component server --format logfmt
    """,
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="auto", show_default=True,
    help="How lines are written; auto decides line by line.",
)  # fmt: skip
@click.option("-c", "--component", help="For lines that name none; default: the file's name.")
@click.option("-l", "--level", default="INFO", show_default=True, help="For lines that show none.")
@click.option("--skip-empty", is_flag=True, help="Leave empty lines out, and count them.")
def ingest(
    files: tuple[str, ...], form: str, component: str | None, level: str, skip_empty: bool
) -> None:
    """Send the lines of FILES, or of stdin (-), as records: text, JSON lines, logfmt. [write]

    Every line becomes one record, an empty one too. The time of a line is the
    record's where it can be read. It never outruns the workers: a full stream makes it wait.
    """
    from clientlib import parse_level
    from godot.delivery import Delivery
    from godot.ingest import Format, Pace, Parser, Shipment, Tally
    from godot.settings import load

    if not files and sys.stdin.isatty():
        raise click.UsageError("no FILES given and stdin is a terminal: name files, or - for stdin")
    parse_level(level)
    settings = load()
    names = files or ("-",)
    tally = Tally()
    try:
        with Delivery(settings) as delivery, _progress(names) as progress:
            shipment = Shipment(
                delivery, Pace(settings, note), note, tally, progress, skip_empty=skip_empty
            )
            for name in names:
                own = "stdin" if name == "-" else os.path.basename(name)
                _ship(shipment, name, Parser(component or own, level, Format(form)))
    finally:
        note(_summary(tally, form))


def _ship(shipment: Shipment, name: str, parser: Parser) -> None:
    if name == "-":
        shipment.ship(sys.stdin.fileno(), parser)
        return
    with open(name, "rb", buffering=0) as file:
        shipment.ship(file.fileno(), parser, name)


def _summary(tally: Tally, form: str) -> str:
    from godot.wording import count

    text = f"{count(tally.lines, 'line')} read, {count(tally.sent, 'record')} sent"
    if tally.skipped:
        text += f", {count(tally.skipped, 'empty line')} skipped"
    unsent = tally.lines - tally.skipped - tally.sent
    if unsent:
        text += f", {count(unsent, 'line')} NOT sent"
    if tally.unparsed:
        text += f"; {count(tally.unparsed, 'line')} kept as text: no {form}"
    return text


@contextmanager
def _progress(names: tuple[str, ...]) -> Iterator[Callable[[Tally], None]]:
    """Give what shows progress on stderr: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda tally: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    total = None if "-" in names else sum(os.path.getsize(name) for name in names)
    columns = (
        *(TextColumn("{task.fields[lines]} lines"), BarColumn(), DownloadColumn()),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total, lines="0")
        yield lambda tally: bars.update(task, completed=tally.bytes, lines=f"{tally.lines:,}")
