"""The `dewey` command: the store's server, its schema and its days.

Importing this imports click alone; the drivers come with the command that needs them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from dewey_logs._command import Group
from dewey_logs.settings import Reader

if TYPE_CHECKING:
    from dewey_logs.tools.upkeep import Upkeep


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="godot-logs",
    prog_name="dewey",
    message="%(prog)s %(version)s",
    help="Print the version.",
)
def dewey() -> None:
    """Keep what Godot collects: the PostgreSQL side, with its own server of tools."""


@dewey.command()
@click.option("--stdio", is_flag=True, help="Speak over stdin and stdout instead of HTTP.")
@click.option("--read-only", is_flag=True, help="Only the tools that change nothing.")
@click.option(
    "--toolset",
    "toolsets",
    multiple=True,
    metavar="NAMES",
    help="Only these: search, insight, write, admin; with commas, or more than once.",
)
def serve(stdio: bool, read_only: bool, toolsets: tuple[str, ...]) -> None:
    """Serve the store's tools over MCP and keep its days in order, until SIGTERM.

    Beyond loopback only with GODOT_TOKENS_FILE, and under the names in GODOT_ALLOWED_HOSTS.
    """
    from dewey_logs.tools.kinds import selection

    offered = selection(read_only, toolsets)
    read = Reader(os.environ)
    url, retention_days = read.store_url(), read.retention_days()
    port = read.integer("DEWEY_MCP_PORT", 9061, 0, 65_535)
    metrics_port = read.integer("GODOT_METRICS_PORT", 9464, 0, 65_535)
    from dewey_logs import server

    server.serve(
        url=url,
        reader_url=read.reader_url(),
        owner_url=read.owner_url(),
        host=read.text("DEWEY_HOST") or "127.0.0.1",
        port=port,
        stdio=stdio,
        metrics_port=metrics_port,
        metrics_host=read.text("GODOT_METRICS_HOST"),
        retention_days=retention_days,
        tokens_file=read.tokens_file(),
        allowed_hosts=read.allowed_hosts(),
        retention_bytes=read.retention_bytes(),
        layout=read.layout(),
        offered=offered,
        data_dir=read.data_dir(),
    )


@dewey.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 4 when something is missing."
)
def migrate(check: bool) -> None:
    """Bring schema and roles up to date; safe from many hosts at once.

    Makes the roles dewey_owner, dewey_writer and dewey_reader if it may, and gives them their
    rights. Also keeps what LOG_SEARCH_INDEX and LOG_PARTITION_INTERVAL say.
    """
    read = Reader(os.environ)
    url, layout = read.owner_url(), read.layout()
    from dewey_logs import migrations

    def remark(line: str) -> None:
        click.echo(f"note: {line}", err=True)

    if check:
        names = migrations.check(url)
    else:
        with _bar() as step:
            names = migrations.migrate(url, layout, remark=remark, step=step)
    for name in names:
        click.echo(name)
    if check:
        click.echo("up to date" if not names else f"{len(names)} missing", err=True)
        raise click.exceptions.Exit(4 if names else 0)
    click.echo(f"applied {len(names)}" if names else "nothing to do", err=True)


@contextmanager
def _bar() -> Iterator[Callable[[str, int], None]]:
    """Give what shows on a terminal's stderr how far it came; elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda name, left: None
        return
    with ExitStack() as shown:
        bars: list[Any] = []

        def step(name: str, left: int) -> None:
            if bars:
                bars[0].update(1, name)
                return
            made = click.progressbar(
                length=left, file=sys.stderr, item_show_func=lambda item: item or name
            )
            bars.append(shown.enter_context(made))
            made.render_progress()

        yield step
        if bars:
            bars[0].update(1, " ")


@dewey.command()
@click.option("--once", is_flag=True, help="Run once and exit instead of every hour.")
@click.option(
    "--verify", is_flag=True, help="Change nothing: recount every record; exit with 4 on a mistake."
)
def maintain(once: bool, verify: bool) -> None:
    """Make coming partitions, seal and vacuum what is over, drop what retention ends, merge rows.

    Retention is LOG_RETENTION_DAYS and LOG_RETENTION_BYTES. Runs until SIGTERM: sealing and merging
    counts every minute, the rest every hour; metrics on GODOT_METRICS_PORT tell of it.
    """
    read = Reader(os.environ)
    url, retention_days = read.owner_url(), read.retention_days()
    retention_bytes, layout = read.retention_bytes(), read.layout()
    from dewey_logs import maintenance

    if verify:
        differences = 0
        for found in maintenance.verify(url):
            differences += 1
            click.echo("\t".join(map(str, found)))
        click.echo(
            f"{differences} differences" if differences else "every count is right", err=True
        )
        raise click.exceptions.Exit(4 if differences else 0)

    def everything() -> None:
        done = maintenance.maintain(url, retention_days, retention_bytes, layout)
        _print_done(done._asdict())
        click.echo(
            f"made {len(done.made)}, dropped {len(done.dropped)} partitions; "
            f"{done.merged} rows merged; {len(done.indexed)} indexes built, "
            f"{len(done.vacuumed)} partitions vacuumed",
            err=True,
        )

    if once:
        everything()
        return
    port = read.integer("GODOT_METRICS_PORT", 9464, 0, 65_535)
    from dewey_logs.tools.upkeep import upkeep_told

    reader_url = read.reader_url() or url
    host = read.text("GODOT_METRICS_HOST")
    with upkeep_told(reader_url, port=port, exposed_at=host, data_dir=read.data_dir()) as upkeep:
        _forever(everything, lambda: _print_done(maintenance.tend(url)._asdict()), upkeep)


def _print_done(done: Mapping[str, object]) -> None:
    for verb, names in done.items():
        for name in names if isinstance(names, list) else ():
            click.echo(f"{verb}\t{name}")


def _forever(hourly: Callable[[], None], every_minute: Callable[[], None], upkeep: Upkeep) -> None:
    """Work now and then, until SIGTERM; while the store is away, say so and try again."""
    import signal
    import threading

    from dewey_logs.errors import Unavailable
    from dewey_logs.maintenance import EVERY_S, TEND_EVERY_S

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    due = time.monotonic()
    while not stopping.is_set():
        try:
            if time.monotonic() >= due:
                hourly()
                upkeep.succeeded()
                due = time.monotonic() + EVERY_S
            else:
                every_minute()
        except Unavailable as exc:
            upkeep.failed()
            click.echo(f"error: {exc}", err=True)
        stopping.wait(TEND_EVERY_S)


@dewey.command("partitions")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "plain", "json", "jsonl", "csv")),
    default=lambda: os.environ.get("GODOT_OUTPUT") or ("text" if sys.stdout.isatty() else "plain"),
    help="How to print; default: text on a terminal, plain in a pipe, or GODOT_OUTPUT.",
)
def list_partitions(output: str) -> None:
    """List the partitions of the store: rows (estimated), bytes, and whether search has indexes."""
    url = Reader(os.environ).owner_url()
    from dewey_logs.partitions import partitions

    rows = [
        {
            "partition": part.name,
            "estimated_rows": part.estimated_rows,
            "bytes": part.size_bytes,
            "index_bytes": part.index_bytes,
            "indexed": part.indexed,
        }
        for part in partitions(url)
    ]
    columns = ("partition", "estimated_rows", "bytes", "index_bytes", "indexed")
    _print_rows(rows, columns, output)


def _print_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], output: str) -> None:
    if output == "json":
        document = {"schema": "dewey.partitions/1", "truncated": False, "items": rows}
        click.echo(json.dumps(document, indent=2))
        return
    if output == "jsonl":
        for row in rows:
            click.echo(json.dumps(row, separators=(",", ":")))
        return
    table = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    if output == "text":
        table.insert(0, [name.replace("_", "-").upper() for name in columns])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        table = [
            [text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in table
        ]
    elif output == "csv":
        table.insert(0, list(columns))
    separator = {"text": "  ", "csv": ","}.get(output, "\t")
    for line in table:
        click.echo(separator.join(line).rstrip())
