"""PIPELINE: who reads the stream, and how they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._output import emit_rows, note, output_options, sanitise
from godot.cli._pipeline import Row, chosen, stream_now

if TYPE_CHECKING:
    from godot.stream.groups import Group
    from godot.stream.snapshot import StreamSnapshot

COLUMNS = (
    *("stream", "group", "state", "waiting_ms", "undelivered", "pending", "oldest_pending_ms"),
    *("overrun", "settled_per_s", "consumers", "active", "last_delivered_id", "ours"),
)
ON_A_SCREEN = ("group", "state", "waiting", "undelivered", "pending", "settled/s", "consumers")


@click.command(
    cls=Command,
    examples="""
    godot groups                              who reads the stream, and whether it keeps up
    godot groups -o json | jq '.items[] | select(.state != "ok")'
    godot groups -o plain | cut -f2,3         names and states
    """,
)
@click.argument("names", nargs=-1, metavar="[GROUP]...")
@output_options
def groups(names: tuple[str, ...], output: str) -> None:
    """Show the stream's groups: how each does, and how long its oldest record waits. [read]

    The first is GODOT_GROUP, by which status and check judge. STATE is told from behaviour: ok,
    behind (what waits grows older), stalled (nothing is finished), no-consumer, unknown.
    """
    now = stream_now()
    found = chosen(now, names)
    make = _text if output == "text" else _row
    emit_rows(
        [make(now, group) for group in found],
        ON_A_SCREEN if output == "text" else COLUMNS,
        output=output,
        schema="godot.groups/1",
        numbers=("undelivered", "pending", "settled/s"),
    )
    for group in found:
        if not group.exists:
            note(f"{sanitise(group.name)} is not made yet: a worker does that")
        elif group.undelivered is None:
            note("? = Redis cannot tell, since entries were trimmed or removed; WAITING is exact")
            break


def _row(now: StreamSnapshot, group: Group) -> Row:
    since = group.pending_since_ms
    return {
        "stream": now.stream,
        "group": group.name,
        "state": group.state,
        "waiting_ms": group.waiting_ms,
        "undelivered": group.undelivered,
        "pending": group.pending,
        "oldest_pending_ms": None if since is None else max(0, now.now_ms - since),
        "overrun": group.overrun,
        "settled_per_s": group.settled_per_s,
        "consumers": len(group.consumers),
        "active": group.active,
        "last_delivered_id": group.last_delivered_id and str(group.last_delivered_id),
        "ours": group is now.group,
    }


def _text(now: StreamSnapshot, group: Group) -> Row:
    from godot.wording import age

    settled = group.settled_per_s
    return {
        "group": group.name,
        "state": group.state,
        "waiting": "-" if group.waiting_since_ms is None else age(group.waiting_ms),
        "undelivered": group.undelivered,
        "pending": group.pending,
        "settled/s": "?" if settled is None else f"{settled:,.0f}",
        "consumers": f"{group.active} of {len(group.consumers)}",
    }
