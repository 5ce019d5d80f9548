"""PIPELINE: who writes into the stream, and what was delivered and not acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._output import UNREACHABLE, emit_rows, note, output_options
from godot.cli._times import Span

if TYPE_CHECKING:
    from dewey_logs import Store
    from godot.settings import Settings
    from godot.stream.pending import Pending
    from godot.stream.replies import Entry

Row = dict[str, object]

PRODUCER_COLUMNS = (
    *("producer", "component", "host", "pid", "version", "started_at"),
    *("sent", "stored", "waiting", "dropped", "lost"),
)


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
    emit_rows(rows, PRODUCER_COLUMNS, output=output, schema="godot.producers/1")
    if silent and not everyone:
        note(f"{len(silent):,} more are known from the ledger only: --all")
    if problem is not None:
        note(f"store: {problem}")
        context.exit(UNREACHABLE)


def _announced(settings: Settings) -> list[Row]:
    """Return what the producers say of themselves; the rest is unknown."""
    from godot.stream.snapshot import take

    return [
        {
            "producer": f"{info.producer:010x}",
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
    infos = {f"{info.producer:010x}": info for info in examined.inventory.announced}
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
            "sent": info.sent_sequence if info else totals.announced,
            "stored": totals.stored,
            "waiting": totals.in_stream + totals.settling,
            "dropped": max(totals.dropped, info.dropped if info else 0),
            "lost": totals.lost,
        }
        (known if info else silent).append(row)
    return known, silent


@click.command(
    cls=Command,
    examples="""
    godot pending                             what workers have in hand, oldest first
    godot pending --min-idle 5m --payload     what nobody has touched for long, and what it says
    godot pending --min-deliveries 3 -o json  what workers keep failing at
    """,
)
@click.option(
    "--min-idle", "min_idle_ms", type=Span(), default="0", metavar="DURATION",
    help="Not touched for this long: 30s, 5m, 1h30m.",
)  # fmt: skip
@click.option("--min-deliveries", type=click.IntRange(0), default=0, help="Delivered this often.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="How many of the oldest to show.",
)  # fmt: skip
@click.option("--payload", is_flag=True, help="Show what the records say.")
@output_options
def pending(min_idle_ms: int, min_deliveries: int, limit: int, payload: bool, output: str) -> None:
    """Show what was delivered to workers and is not acknowledged, oldest first. [read]"""
    from godot.repair import Repair
    from godot.settings import load

    settings = load()
    shown: list[Pending] = []
    matched = suspects = 0
    with Repair(settings) as repair:
        for item in repair.pending(min_idle_ms):
            if item.deliveries < min_deliveries and item.died_alone is None:
                continue
            matched += 1
            suspects += repair.suspected(item)
            if len(shown) < limit:
                shown.append(item)
        there = repair.payloads([item.id for item in shown]) if payload else None
    columns: tuple[str, ...] = ("id", "age", "idle", "deliveries", "consumer")
    if output != "text":
        columns = ("id", "age_ms", "idle_ms", "deliveries", "consumer", "died_alone")
    rows = [_pending_row(item, output) for item in shown]
    if there is not None:
        columns += ("payload",)
        for row, item in zip(rows, shown, strict=True):
            row["payload"] = _payload(there.get(item.id))
    truncated = matched > len(shown)
    emit_rows(
        rows,
        columns,
        output=output,
        schema="godot.pending/1",
        truncated=truncated,
        matched=matched,
        suspects=suspects,
    )
    text = f"showing {len(shown):,} of {matched:,}" if truncated else f"{matched:,} pending"
    if suspects:
        text += f", {suspects:,} of them suspected of killing workers"
    if there is not None and len(there) < len(shown):
        text += f", {len(shown) - len(there):,} without payload"
    note(text + (": a larger -n shows more" if truncated else ""))


def _pending_row(item: Pending, output: str) -> Row:
    import time

    from godot.wording import age

    age_ms = max(0, int(time.time() * 1000) - item.id.ms)
    row: Row = {
        "id": str(item.id), "deliveries": item.deliveries, "consumer": item.consumer
    }  # fmt: skip
    if output == "text":
        return {**row, "age": age(age_ms), "idle": age(item.idle_ms)}
    return {**row, "age_ms": age_ms, "idle_ms": item.idle_ms, "died_alone": item.died_alone}


def _payload(entry: Entry | None) -> str:
    """Return what an entry says, in one line; whoever reads it was promised nothing about it."""
    if entry is None:
        return "(gone: trimmed from the stream)"
    fields: Mapping[bytes, bytes] = entry.fields
    if {b"level", b"component", b"message"} <= fields.keys():
        parts = [fields[b"level"], fields[b"component"], fields[b"message"]]
    else:
        parts = [name + b"=" + value for name, value in fields.items()]
    text = b" ".join(parts)
    shown = text[:200].decode("utf-8", "backslashreplace")
    return shown if len(text) <= 200 else f"{shown}… ({len(text):,} bytes)"
