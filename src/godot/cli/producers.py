"""PIPELINE: who writes into the stream, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._output import UNREACHABLE, emit_rows, note, output_options, sanitise

if TYPE_CHECKING:
    from dewey_logs import Store
    from godot.settings import Settings

Row = dict[str, object]

COLUMNS = (
    *("producer", "component", "host", "pid", "version", "started_at"),
    *("sent", "stored", "waiting", "dropped", "lost"),
)
ON_A_SCREEN = ("producer", "component", "host", "pid", *COLUMNS[6:])
NUMBERS = COLUMNS[6:]


@click.command(
    cls=Command,
    examples="""
    godot producers                           who announced itself, and what became of its records
    godot producers --all                     also those that only the ledger remembers
    godot producers -o json | jq '.items[] | select(.lost > 0)'
    """,
)
@click.option("--all", "everyone", is_flag=True, help="Also producers that announce nothing now.")
@output_options
@click.pass_context
def producers(context: click.Context, everyone: bool, output: str) -> None:
    """Show who writes into the stream: sent, stored, dropped and lost records. [read]

    A producer is one process's client. What it sent it says itself, the rest says the ledger.
    """
    from dewey_logs import DeweyError
    from godot.cli._store import opened
    from godot.errors import StoreUnavailable
    from godot.settings import load

    settings = load()
    problem = None
    try:
        with opened(settings) as store:
            rows, silent = _audited(settings, store)
    except (DeweyError, StoreUnavailable) as exc:
        problem = str(exc)
        rows, silent = _announced(settings), []
    rows.sort(key=lambda row: str(row["started_at"]), reverse=True)
    if everyone:
        rows += silent
    columns = ON_A_SCREEN if output == "text" else COLUMNS
    emit_rows(rows, columns, output=output, schema="godot.producers/1", numbers=NUMBERS)
    if silent and not everyone:
        note(f"{len(silent):,} more are known from the ledger only: --all")
    if problem is not None:
        note(f"store: {sanitise(problem)}")
        context.exit(UNREACHABLE)


def _announced(settings: Settings) -> list[Row]:
    """Return what the producers say of themselves; the rest is unknown."""
    from godot.stream.snapshot import take

    return [
        {
            "producer": info.field,
            "component": info.component,
            "host": info.host,
            "pid": info.pid,
            "version": info.version,
            "started_at": info.started_at,
            "sent": info.sent_sequence,
            "stored": None,
            "waiting": None,
            "dropped": info.dropped,
            "lost": None,
        }
        for info in take(settings).producers
    ]


def _audited(settings: Settings, store: Store) -> tuple[list[Row], list[Row]]:
    """Return the producers that announce themselves, and those that do not (any more)."""
    from godot.accounting import examine

    examined = examine(settings, store)
    infos = {info.field: info for info in examined.inventory.announced}
    known: list[Row] = []
    silent: list[Row] = []
    for item in examined.audit.producers:
        info, totals = infos.get(item.producer), item.totals
        row: Row = {
            "producer": item.producer,
            "component": item.component,
            "host": info and info.host,
            "pid": info and info.pid,
            "version": info and info.version,
            "started_at": info and info.started_at,
            "sent": max(info.sent_sequence if info else 0, totals.announced),
            "stored": totals.stored,
            "waiting": totals.in_stream + totals.settling,
            "dropped": max(totals.dropped, info.dropped if info else 0),
            "lost": totals.lost,
        }
        (known if info else silent).append(row)
    return known, silent
