"""PIPELINE: streams, the groups that read them, and the consumers in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._output import (
    emit_document,
    emit_rows,
    fail,
    note,
    output_options,
    sanitise,
)
from godot.cli._plan import confirmed, plan_options
from godot.cli._times import Span

if TYPE_CHECKING:
    from godot.snapshot import Snapshot
    from godot.stream.snapshot import ConsumerInfo, Group, StreamSnapshot

Row = dict[str, object]

STREAMS = (
    *("stream", "entries", "limit", "backlog", "fill_ratio", "bytes", "added"),
    *("added_per_s", "oldest_ms", "groups", "producers"),
)
STREAMS_ON_A_SCREEN = ("stream", "entries", "limit", "unsettled", "memory", "added/s", "oldest")
GROUPS = (
    *("stream", "group", "state", "waiting_ms", "undelivered", "pending", "oldest_pending_ms"),
    *("overrun", "settled_per_s", "consumers", "active", "last_delivered_id"),
)
GROUPS_ON_A_SCREEN = (
    *("group", "state", "waiting", "undelivered", "pending", "settled/s", "consumers"),
)
CONSUMERS = ("group", "consumer", "pending", "idle_ms", "inactive_ms", "heard_of")
CONSUMERS_ON_A_SCREEN = ("consumer", "pending", "idle", "last_success", "note")


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
    _refuse_if_away(looks)
    there = [look for look in looks if look.stream is not None and look.stream.exists]
    make = _stream_text if output == "text" else _stream_row
    rows = [make(look, look.stream) for look in there if look.stream is not None]
    emit_rows(
        rows,
        STREAMS_ON_A_SCREEN if output == "text" else STREAMS,
        output=output,
        schema="godot.streams/1",
        numbers=("entries", "limit", "added/s"),
    )
    missing = [look.stream_name for look in looks if look not in there]
    if missing:
        note(f"nothing was sent yet to {', '.join(map(sanitise, missing))}")
    if names and missing:
        context.exit(1)


def _refuse_if_away(looks: list[Snapshot]) -> None:
    """End the command when Redis is away: then there is nothing to show."""
    for look in looks:
        if look.stream_problem is not None:
            from godot.errors import StreamUnavailable

            raise StreamUnavailable(look.stream_problem)


def _stream_row(look: Snapshot, now: StreamSnapshot) -> Row:
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


def _stream_text(look: Snapshot, now: StreamSnapshot) -> Row:
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

    STATE is told from behaviour: ok, behind (what waits grows older), stalled (nothing is
    finished), no-consumer, unknown.
    """
    look = _look()
    now = look.stream
    assert now is not None
    found = _chosen(now, names)
    make = _group_text if output == "text" else _group_row
    emit_rows(
        [make(now, group) for group in found],
        GROUPS_ON_A_SCREEN if output == "text" else GROUPS,
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


def _look() -> Snapshot:
    from godot import snapshot
    from godot.settings import load

    look = snapshot.take(load(), without_store=True)
    _refuse_if_away([look])
    return look


def _chosen(now: StreamSnapshot, names: tuple[str, ...]) -> list[Group]:
    found = [group for group in now.groups if not names or group.name in names]
    unknown = set(names).difference(group.name for group in found)
    if unknown:
        fail(
            "GD-3003",
            f"{now.stream} has no group {', '.join(map(repr, sorted(unknown)))}",
            "see: godot groups",
        )
    return found


def _group_row(now: StreamSnapshot, group: Group) -> Row:
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
    }


def _group_text(now: StreamSnapshot, group: Group) -> Row:
    from godot.wording import age

    settled = group.settled_per_s
    return {
        "group": group.name,
        "state": group.state,
        "waiting": age(group.waiting_ms) if group.waiting_ms else "-",
        "undelivered": group.undelivered,
        "pending": group.pending,
        "settled/s": "?" if settled is None else f"{settled:,.0f}",
        "consumers": f"{group.active} of {len(group.consumers)}",
    }


@click.group(
    cls=LazyGroup,
    entries=(
        Entry("ls", "godot.cli.pipeline", "ls", "List consumers.", "CONSUMERS"),
        Entry("prune", "godot.cli.pipeline", "prune", "Delete abandoned ones.", "CONSUMERS"),
    ),
    invoke_without_command=True,
    examples="""
    godot consumers                           who works in the group, and who has gone silent
    godot consumers ls --group archive        of another group of the stream
    godot consumers prune --idle 1h --yes     delete those that hold nothing and are silent
    """,
)
@output_options
@click.pass_context
def consumers(context: click.Context, output: str) -> None:
    """See to the workers of a group. Alone: list them. [read]"""
    if context.invoked_subcommand is None:
        _list_consumers(None, 0, output)


_group_option = click.option("-g", "--group", metavar="GROUP", help="Default: GODOT_GROUP.")


@click.command(
    cls=Command,
    examples="""
    godot consumers ls                        one line each
    godot consumers ls --idle 1h              silent for so long
    godot consumers ls -o json | jq '.items[] | select(.pending > 0)'
    """,
)
@_group_option
@click.option(
    "--idle", "idle_ms", type=Span(), default="0", metavar="DURATION", help="Silent for this long."
)
@output_options
def ls(group: str | None, idle_ms: int, output: str) -> None:
    """List the consumers of a group: what each holds, how long it was silent. [read]"""
    _list_consumers(group, idle_ms, output)


def _list_consumers(name: str | None, idle_ms: int, output: str) -> None:
    now = _look().stream
    assert now is not None
    group = now.group if name is None else _chosen(now, (name,))[0]
    found = [consumer for consumer in group.consumers if consumer.idle_ms >= idle_ms]
    found.sort(key=lambda consumer: consumer.idle_ms)
    make = _consumer_text if output == "text" else _consumer_row
    emit_rows(
        [make(group, consumer) for consumer in found],
        CONSUMERS_ON_A_SCREEN if output == "text" else CONSUMERS,
        output=output,
        schema="godot.consumers/1",
        numbers=("pending",),
    )
    silent = [consumer for consumer in found if not consumer.heard_of]
    if any(consumer.pending for consumer in silent):
        note("what the silent ones hold workers take over by themselves, or: godot claim")
    elif silent:
        note("silent ones that hold nothing are deleted after a day, or: godot consumers prune")
    if not found:
        note(f"group {sanitise(group.name)} has no such consumer" if idle_ms else "nobody is there")


def _consumer_row(group: Group, consumer: ConsumerInfo) -> Row:
    return {
        "group": group.name,
        "consumer": consumer.name,
        "pending": consumer.pending,
        "idle_ms": consumer.idle_ms,
        "inactive_ms": consumer.inactive_ms,
        "heard_of": consumer.heard_of,
    }


def _consumer_text(group: Group, consumer: ConsumerInfo) -> Row:
    from godot.wording import age

    success = consumer.inactive_ms
    remark = ""
    if not consumer.heard_of:
        remark = "silent, its entries can be claimed" if consumer.pending else "silent"
    return {
        "consumer": consumer.name,
        "pending": consumer.pending,
        "idle": age(consumer.idle_ms),
        "last_success": "-" if success is None else f"{age(success)} ago",
        "note": remark,
    }


@click.command(
    cls=Command,
    examples="""
    godot consumers prune                     which ones it would delete; nothing is done yet
    godot consumers prune --idle 1h --yes     delete them
    godot consumers prune --group archive     of another group of the stream
    """,
)
@_group_option
@click.option(
    "--idle", "idle_ms", type=Span(), default="1h", show_default=True, metavar="DURATION",
    help="Silent for this long.",
)  # fmt: skip
@plan_options
@output_options
def prune(group: str | None, idle_ms: int, yes: bool, no_input: bool, output: str) -> None:
    """Delete consumers that hold nothing and are silent: a worker that died leaves one. [write]

    One that holds entries is never deleted: with it they would be forgotten. A live worker that was
    only quiet comes back by its next read.
    """
    from godot.repair import Repair
    from godot.settings import load

    now = _look().stream
    assert now is not None
    where = now.group if group is None else _chosen(now, (group,))[0]
    found = [one for one in where.consumers if not one.pending and one.idle_ms >= idle_ms]
    about = {"group": where.name, "consumers": len(found)}
    schema = "godot.consumers.prune/1"
    if not found:
        nothing = ["no consumer is silent for so long and holds nothing"]
        emit_document({"done": True, **about, "deleted": 0}, nothing, output=output, schema=schema)
        return
    lines = [f"{len(found):,} consumers of group {sanitise(where.name)} to be deleted"]
    lines += [f"  {sanitise(one.name)}" for one in found[:10]]
    if len(found) > 10:
        lines.append(f"  and {len(found) - 10:,} more: godot consumers ls --idle …")
    confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema=schema)
    with Repair(load()) as repair:
        deleted = repair.prune(where.name, idle_ms)
    document = {"done": True, **about, "deleted": deleted}
    emit_document(document, [f"{deleted:,} deleted"], output=output, schema=schema)
