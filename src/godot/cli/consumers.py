"""PIPELINE: who works in a group, and who has gone silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._output import emit_document, emit_rows, note, output_options, sanitise
from godot.cli._pipeline import Row, chosen, stream_now
from godot.cli._plan import confirmed, plan_options
from godot.cli._times import Span
from godot.wording import count

if TYPE_CHECKING:
    from godot.stream.groups import ConsumerInfo, Group

COLUMNS = ("group", "consumer", "pending", "idle_ms", "inactive_ms", "heard_of")
ON_A_SCREEN = ("consumer", "pending", "idle", "last_success", "note")


@click.group(
    cls=LazyGroup,
    entries=(
        Entry("ls", "godot.cli.consumers", "ls", "List consumers.", "CONSUMERS"),
        Entry("prune", "godot.cli.consumers", "prune", "Delete abandoned ones.", "CONSUMERS"),
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
    now = stream_now(once=True)
    group = now.group if name is None else chosen(now, (name,))[0]
    found = [consumer for consumer in group.consumers if consumer.idle_ms >= idle_ms]
    found.sort(key=lambda consumer: consumer.idle_ms)
    make = _text if output == "text" else _row
    emit_rows(
        [make(group, consumer) for consumer in found],
        ON_A_SCREEN if output == "text" else COLUMNS,
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


def _row(group: Group, consumer: ConsumerInfo) -> Row:
    return {
        "group": group.name,
        "consumer": consumer.name,
        "pending": consumer.pending,
        "idle_ms": consumer.idle_ms,
        "inactive_ms": consumer.inactive_ms,
        "heard_of": consumer.heard_of,
    }


def _text(group: Group, consumer: ConsumerInfo) -> Row:
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

    now = stream_now(once=True)
    where = now.group if group is None else chosen(now, (group,))[0]
    found = [one for one in where.consumers if not one.pending and one.idle_ms >= idle_ms]
    about = {"group": where.name, "consumers": len(found)}
    schema = "godot.consumers.prune/1"
    if not found:
        nothing = ["no consumer is silent for so long and holds nothing"]
        emit_document({"done": True, **about, "deleted": 0}, nothing, output=output, schema=schema)
        return
    lines = [f"{count(len(found), 'consumer')} of group {sanitise(where.name)} to be deleted"]
    lines += [f"  {sanitise(one.name)}" for one in found[:10]]
    if len(found) > 10:
        lines.append(f"  and {len(found) - 10:,} more: godot consumers ls --idle …")
    confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema=schema)
    with Repair(load()) as repair:
        deleted = repair.prune(where.name, idle_ms)
    document = {"done": True, **about, "deleted": deleted}
    emit_document(document, [f"{deleted:,} deleted"], output=output, schema=schema)
