"""OPERATE: what Prometheus and Grafana need of ours, written where they look for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._output import UNCONFIRMED, fail, note, write_line

RULES = (Entry("export", "godot.cli.export", "export_rules", "Write the alert rules.", "RULES"),)
DASHBOARDS = (
    Entry("export", "godot.cli.export", "export_dashboards", "Write the dashboards.", "DASHBOARDS"),
)


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --to, --runbooks and --replace."""
    folder = click.Path(path_type=Path, file_okay=False)
    command = click.option("--replace", is_flag=True, help="Replace files that differ.")(command)
    command = click.option(
        "--runbooks",
        metavar="URL",
        help="Where docs/runbooks is served: what the links to its pages begin with.",
    )(command)
    return click.option("--to", type=folder, help="The folder to write to; it is made.")(command)


@click.group(
    cls=LazyGroup,
    entries=RULES,
    invoke_without_command=True,
    examples="""
    godot rules                               print them
    godot rules export > godot.rules.yml      for Prometheus's rule_files
    godot rules export --to /etc/prometheus
    """,
)
@click.pass_context
def rules(context: click.Context) -> None:
    """Alert rules for Prometheus, of this version. [read]"""
    if context.invoked_subcommand is None:
        _print_rules(None)


@click.group(
    cls=LazyGroup,
    entries=DASHBOARDS,
    invoke_without_command=True,
    examples="""
    godot dashboards                          which there are
    godot dashboards export --to dashboards
    godot dashboards export --to dashboards --replace
    """,
)
@click.pass_context
def dashboards(context: click.Context) -> None:
    """Dashboards for Grafana, of this version. Alone: which there are. [read]"""
    if context.invoked_subcommand is None:
        _list_dashboards()


@click.command(
    cls=Command,
    examples="""
    godot rules export > godot.rules.yml
    godot rules export --to /etc/prometheus --replace
    godot rules export --runbooks https://wiki.example/runbooks > godot.rules.yml
    """,
)
@export_options
def export_rules(to: Path | None, runbooks: str | None, replace: bool) -> None:
    """Write the alert rules to stdout, or as godot.rules.yml into a folder. [write]

    Every alert links the page of its runbook.
    """
    from godot import ops

    if to is None:
        _print_rules(runbooks)
    else:
        _write(ops.rules(runbooks), to, replace)


@click.command(
    cls=Command,
    examples="""
    godot dashboards export --to dashboards
    godot dashboards export --to dashboards --replace
    godot dashboards export --to dashboards --runbooks https://wiki.example/
    """,
)
@export_options
def export_dashboards(to: Path | None, runbooks: str | None, replace: bool) -> None:
    """Write the dashboards as JSON files into a folder. [write]

    Grafana provisions them as they are; the data source is chosen on the dashboard.
    """
    from godot import ops

    if to is None:
        _list_dashboards()
        note("nothing written: say where, with --to")
    else:
        _write(ops.dashboards(runbooks), to, replace)


def _print_rules(runbooks: str | None) -> None:
    from godot import ops

    write_line(ops.rules(runbooks)[ops.RULES].rstrip("\n"))


def _list_dashboards() -> None:
    from godot import ops

    for name in ops.dashboards():
        write_line(name)


def _write(files: Mapping[str, str], to: Path, replace: bool) -> None:
    """Write files and print their paths; what is there already and differs stays unless told."""
    paths = {to / name: text for name, text in files.items()}
    differ = [
        str(path)
        for path, text in paths.items()
        if path.exists() and path.read_bytes() != text.encode()
    ]
    if differ and not replace:
        what = f"this replaces {', '.join(differ)}"
        fail("GD-4013", what, "run again with --replace", UNCONFIRMED)
    to.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        path.write_text(text, "utf-8")
        write_line(str(path))
    note(f"{len(paths)} written" if not differ else f"{len(paths)} written, {len(differ)} replaced")
