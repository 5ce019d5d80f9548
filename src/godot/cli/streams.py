"""PIPELINE: what streams hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._output import emit_rows, note, output_options, sanitise
from godot.cli._pipeline import Row, refuse_if_away

if TYPE_CHECKING:
    from godot.snapshot import Snapshot
    from godot.stream.snapshot import StreamSnapshot

COLUMNS = (
    *("stream", "entries", "limit", "backlog", "fill_ratio", "bytes", "added"),
    *("added_per_s", "oldest_ms", "groups", "producers"),
)
ON_A_SCREEN = ("stream", "entries", "limit", "unsettled", "memory", "added/s", "oldest")


@click.command(
    cls=Command,
    examples="""
    godot streams                             the stream of this system
    godot streams --all                       every stream that this Redis has
    godot streams -o json | jq '.items[] | {stream, backlog, limit}'
    """,
)
@click.argument("names", nargs=-1, metavar="[STREAM]...")
@click.option(
    "--all", "everything", is_flag=True, help="Every stream of this Redis; scans its keys."
)
@output_options
@click.pass_context
def streams(context: click.Context, names: tuple[str, ...], everything: bool, output: str) -> None:
    """Show streams: what they hold, how much of that is not stored, how fast it grows. [read]"""
    from godot import snapshot
    from godot.settings import load
    from godot.stream.listing import every_stream

    settings = load()
    wanted = every_stream(settings) if everything else list(names or (settings.stream,))
    looks = snapshot.of_streams(settings, wanted)
    refuse_if_away(looks)
    there = [look for look in looks if look.stream is not None and look.stream.exists]
    make = _text if output == "text" else _row
    rows = [make(look, look.stream) for look in there if look.stream is not None]
    emit_rows(
        rows,
        ON_A_SCREEN if output == "text" else COLUMNS,
        output=output,
        schema="godot.streams/1",
        numbers=("entries", "limit", "added/s"),
    )
    missing = [look.stream_name for look in looks if look not in there]
    if missing:
        note(f"nothing was sent yet to {', '.join(map(sanitise, missing))}")
    if names and missing:
        context.exit(1)


def _row(look: Snapshot, now: StreamSnapshot) -> Row:
    return {
        "stream": now.stream,
        "entries": now.entries,
        "limit": now.limit,
        "backlog": now.backlog,
        "fill_ratio": now.fill_ratio,
        "bytes": now.bytes,
        "added": now.added,
        "added_per_s": look.rate and look.rate.added_per_s,
        "oldest_ms": now.first_id and max(0, now.now_ms - now.first_id.ms),
        "groups": sum(group.exists for group in now.groups),
        "producers": len(now.producers),
    }


def _text(look: Snapshot, now: StreamSnapshot) -> Row:
    from godot.wording import age, size

    return {
        "stream": now.stream,
        "entries": now.entries,
        "limit": now.limit,
        "unsettled": f"{now.backlog:,} ({now.backlog / now.limit:.0%})",
        "memory": "?" if now.bytes is None else size(now.bytes),
        "added/s": "?" if look.rate is None else f"{look.rate.added_per_s:,.0f}",
        "oldest": "-" if now.first_id is None else age(now.now_ms - now.first_id.ms),
    }
