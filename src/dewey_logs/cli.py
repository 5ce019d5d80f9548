"""The `dewey` command: the store's server, its schema and its days.

Settings are those of the whole system, read here a second time because Dewey imports nothing of
Godot: the variable, then the file named by `NAME_FILE`, then a running stack's endpoint.json.
Importing this imports click alone; the drivers come with the command that needs them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

FAILURE, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130
MAINTAIN_EVERY_S = 3600.0
MIN_RETENTION_BYTES = 2**20


class WrongSetting(click.ClickException):
    """A variable with a value that cannot be used."""

    exit_code = USAGE

    def show(self, file: Any = None) -> None:
        click.echo(f"error: {self.message}", err=True)


class _Group(click.Group):
    """Ends the errors we raise on purpose in one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as exc:
            from dewey_logs.errors import (
                BadAddress,
                BadFilter,
                DeweyError,
                SchemaProblem,
                Unavailable,
            )

            if not isinstance(exc, DeweyError):
                raise
            click.echo(f"error: {exc}", err=True)
            if isinstance(exc, SchemaProblem) and ctx.invoked_subcommand != "migrate":
                click.echo("run: dewey migrate", err=True)
            code = {Unavailable: UNREACHABLE, BadFilter: USAGE, BadAddress: USAGE}.get(
                type(exc), FAILURE
            )
            raise click.exceptions.Exit(code) from exc


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def dewey() -> None:
    """Keep what Godot collects: the PostgreSQL side, with its own server of tools."""


@dewey.command()
@click.option("--stdio", is_flag=True, help="Speak over stdin and stdout instead of HTTP.")
def serve(stdio: bool) -> None:
    """Serve the store's tools over MCP and keep its days in order, until SIGTERM."""
    read = Reader(os.environ)
    url, retention_days = read.store_url(), read.retention_days()
    port = read.integer("DEWEY_MCP_PORT", 9061, 0, 65_535)
    metrics_port = read.integer("GODOT_METRICS_PORT", 9464, 0, 65_535)
    from dewey_logs import server

    server.serve(
        url=url,
        reader_url=read.text("DEWEY_READER_URL"),
        owner_url=read.text("DEWEY_OWNER_URL"),
        host=read.text("DEWEY_HOST") or "127.0.0.1",
        port=port,
        stdio=stdio,
        metrics_port=metrics_port,
        retention_days=retention_days,
        retention_bytes=read.retention_bytes(),
    )


@dewey.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 4 when something is missing."
)
def migrate(check: bool) -> None:
    """Bring the schema up to date; safe from many hosts at once."""
    url = Reader(os.environ).owner_url()
    from dewey_logs import migrations

    names = migrations.check(url) if check else migrations.migrate(url)
    for name in names:
        click.echo(name)
    if check:
        click.echo("up to date" if not names else f"{len(names)} missing", err=True)
        raise click.exceptions.Exit(4 if names else 0)
    click.echo(f"applied {len(names)}" if names else "nothing to do", err=True)


@dewey.command()
@click.option("--once", is_flag=True, help="Run once and exit instead of every hour.")
@click.option(
    "--verify", is_flag=True, help="Change nothing: recount every record; exit with 4 on a mistake."
)
def maintain(once: bool, verify: bool) -> None:
    """Make the coming days, drop those past LOG_RETENTION_DAYS or _BYTES, merge old rows."""
    read = Reader(os.environ)
    url, retention_days = read.owner_url(), read.retention_days()
    retention_bytes = read.retention_bytes()
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

    def run() -> None:
        made, dropped, merged = maintenance.maintain(url, retention_days, retention_bytes)
        for verb, names in (("made", made), ("dropped", dropped)):
            for name in names:
                click.echo(f"{verb}\t{name}")
        click.echo(f"made {len(made)}, dropped {len(dropped)} days; {merged} rows merged", err=True)

    run() if once else _every(MAINTAIN_EVERY_S, run)


def _every(interval_s: float, work: Callable[[], None]) -> None:
    """Work now and then, until SIGTERM; while the store is away, say so and try again."""
    import signal
    import threading

    from dewey_logs.errors import Unavailable

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            work()
        except Unavailable as exc:
            click.echo(f"error: {exc}", err=True)
        stopping.wait(interval_s)


@dewey.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "plain", "json", "jsonl", "csv")),
    default=lambda: os.environ.get("GODOT_OUTPUT") or ("text" if sys.stdout.isatty() else "plain"),
    help="How to print; default: text on a terminal, plain in a pipe, or GODOT_OUTPUT.",
)
def partitions(output: str) -> None:
    """List the days of the store: rows (estimated) and bytes."""
    url = Reader(os.environ).owner_url()
    from dewey_logs.partitions import days

    rows = [
        {"partition": day.name, "estimated_rows": day.estimated_rows, "bytes": day.size_bytes}
        for day in days(url)
    ]
    _print_rows(rows, ("partition", "estimated_rows", "bytes"), output)


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


class Reader:
    """Reads settings out of an environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        """Return a variable, or what stands in the file that NAME_FILE names."""
        if self._environ.get(name):
            return self._environ[name]
        file = self._environ.get(f"{name}_FILE")
        if not file:
            return None
        try:
            return Path(file).read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as exc:
            raise WrongSetting(f"{name}_FILE={file}: cannot be read ({exc})") from exc

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise WrongSetting(f"{name}={text!r} is not usable: allowed is {low} to {high}")
        return value

    def retention_days(self) -> int:
        return self.integer("LOG_RETENTION_DAYS", 7, 1, 3_650)

    def retention_bytes(self) -> int | None:
        """Return how large the log may grow, None without a limit."""
        return self.integer("LOG_RETENTION_BYTES", 0, MIN_RETENTION_BYTES, 2**60) or None

    def store_url(self) -> str:
        """Return DEWEY_URL, else that of the stack that runs on this machine."""
        url = self.text("DEWEY_URL") or self._announced()
        if url is None:
            raise WrongSetting(
                "DEWEY_URL is not set and no stack runs here: "
                "give a postgresql:// address, or start one with godot up"
            )
        return url

    def owner_url(self) -> str:
        return self.text("DEWEY_OWNER_URL") or self.store_url()

    def _announced(self) -> str | None:
        try:
            said = json.loads((self._data_dir() / "endpoint.json").read_bytes())
        except (OSError, ValueError):
            return None
        url = said.get("dewey_url") if isinstance(said, dict) else None
        return url if isinstance(url, str) else None

    def _data_dir(self) -> Path:
        given = self._environ.get("GODOT_DATA_DIR")
        if given:
            return Path(given)
        if os.geteuid() == 0:
            return Path("/var/lib/godot")
        base = self._environ.get("XDG_DATA_HOME")
        return (Path(base) if base else Path.home() / ".local" / "share") / "godot"
