"""PIPELINE: what was delivered to workers and is not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._entries import said
from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import emit_rows, note, output_options
from godot.cli._times import Span

if TYPE_CHECKING:
    from godot.stream.pending import Pending

Row = dict[str, object]


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
@click.option("--min-deliveries", type=Whole(0), default=0, help="Delivered this often.")
@click.option(
    "-n", "--limit", type=Whole(1, 10_000), default=50, show_default=True,
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
        now_ms = repair.now_ms()
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
    rows = [_pending_row(item, now_ms, output) for item in shown]
    if there is not None:
        columns += ("payload",)
        for row, item in zip(rows, shown, strict=True):
            row["payload"] = said(there.get(item.id))
    truncated = matched > len(shown)
    emit_rows(
        rows,
        columns,
        output=output,
        schema="godot.pending/1",
        fit=True,
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


def _pending_row(item: Pending, now_ms: int, output: str) -> Row:
    from godot.wording import age

    age_ms = max(0, now_ms - item.id.ms)
    row: Row = {
        "id": str(item.id), "deliveries": item.deliveries, "consumer": item.consumer
    }  # fmt: skip
    if output == "text":
        return {**row, "age": age(age_ms), "idle": age(item.idle_ms)}
    return {**row, "age_ms": age_ms, "idle_ms": item.idle_ms, "died_alone": item.died_alone}
