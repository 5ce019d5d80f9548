"""REPAIR: dead letters. What could not be stored, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._letters import selection, wanted_letters
from godot.cli._number import Whole
from godot.cli._output import (
    FAILURE,
    emit_document,
    emit_rows,
    fail,
    json_text,
    note,
    output_options,
    sanitise,
    write_line,
)
from godot.cli._plan import progress

if TYPE_CHECKING:
    from dewey_logs import DeadLetter, DeadLetterReason

STATES = ("open", "retried", "dropped", "all")
COLUMNS = ("id", "at", "state", "reason", "stream", "entry", "deliveries")

ENTRIES = (
    Entry("ls", "godot.cli.dlq", "ls", "List dead letters, newest first.", "DEAD LETTERS"),
    Entry("show", "godot.cli.dlq", "show", "Show one with its raw fields.", "DEAD LETTERS"),
    Entry("retry", "godot.cli.dlq_settle", "retry", "Store them after all.", "DEAD LETTERS"),
    Entry("drop", "godot.cli.dlq_settle", "drop", "Give them up.", "DEAD LETTERS"),
    Entry("export", "godot.cli.dlq", "export", "Write them as JSON lines.", "DEAD LETTERS"),
)


@click.group(
    cls=LazyGroup,
    entries=ENTRIES,
    invoke_without_command=True,
    examples="""
    godot dlq                                 open letters by reason
    godot dlq show 019b2f3c                   one of them, with its raw fields
    godot dlq retry --all --yes               store them, once the cause is mended
    """,
)
@output_options
@click.pass_context
def dlq(context: click.Context, output: str) -> None:
    """See to records that could not be stored: dead letters. Alone: open ones by reason. [read]"""
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from godot.cli._store import opened
    from godot.settings import load

    with opened(load()) as store:
        found = store.dead_letter_reasons()
    if output == "text":
        on_a_screen = ("open", "oldest", "example", "reason")
        emit_rows(map(_reason_text, found), on_a_screen, output=output, numbers=("open",))
    else:
        rows = map(msgspec.to_builtins, found)
        columns = ("reason", "open", "oldest", "newest", "example")
        emit_rows(rows, columns, output=output, schema="godot.dlq/1")
    if not found:
        note("no dead letter is open")


def _reason_text(item: DeadLetterReason) -> dict[str, object]:
    """Return a reason for a screen; the beginning of an id is enough for every command."""
    from godot.wording import since

    return {
        "open": item.open,
        "oldest": f"{since(item.oldest)} ago",
        "example": item.example[:8],
        "reason": item.reason,
    }


@click.command(
    cls=Command,
    examples="""
    godot dlq ls                              open letters, newest first
    godot dlq ls --reason level --state all   by reason, also those that were retried or dropped
    godot dlq ls -o json | jq '.items[].id'   for a script
    """,
)
@selection
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
@click.option("-n", "--limit", type=Whole(1, 1_000), default=50, show_default=True)
@output_options
def ls(ids: tuple[str, ...], reason: str | None, state: str, limit: int, output: str) -> None:
    """List dead letters, newest first. [read]"""
    from itertools import islice

    import msgspec

    from godot.cli._store import opened
    from godot.letters import every
    from godot.settings import load

    wanted = msgspec.structs.replace(
        wanted_letters(ids, reason, state), newest_first=True, payload=False, limit=limit + 1
    )
    with opened(load()) as store:
        found = list(islice(every(store, wanted), limit + 1))
    rows = [{name: getattr(letter, name) for name in COLUMNS} for letter in found[:limit]]
    columns = COLUMNS[:4] if output == "text" else COLUMNS
    truncated = len(found) > limit
    emit_rows(rows, columns, output=output, schema="godot.dlq.letters/1", truncated=truncated)
    note(f"showing {len(rows):,}" + ("; there are more: a larger -n" if truncated else ""))


@click.command(
    cls=Command,
    examples="""
    godot dlq show 019b2f3c                   the beginning of an id is enough
    godot dlq show 019b2f3c-8a41-8000-8000-01234567abcd -o json
    godot dlq ls -o plain | cut -f1 | xargs -r -n1 godot dlq show
    """,
)
@click.argument("record_id", metavar="ID")
@output_options
def show(record_id: str, output: str) -> None:
    """Show one dead letter: reason, origin, and its raw fields, every byte of them. [read]"""
    from godot.cli._store import opened
    from godot.letters import as_document
    from godot.settings import load

    with opened(load()) as store:
        found = store.dead_letters(wanted_letters((record_id,), None, "all"))
    if not found:
        fail("GD-3002", f"there is no dead letter {record_id}", "see: godot dlq ls", FAILURE)
    if len(found) > 1:
        fail("GD-3002", f"{len(found)} dead letters begin with {record_id}", "give more of the id")
    letter = found[0]
    emit_document(
        as_document(letter), _letter_lines(letter), output=output, schema="godot.dlq.letter/1"
    )


def _letter_lines(letter: DeadLetter) -> Iterator[str]:
    yield f"{letter.id}  {letter.state}"
    yield f"reason      {sanitise(letter.reason)}" + (
        f" [{letter.sqlstate}]" if letter.sqlstate else ""
    )
    yield f"at          {letter.at}"
    if letter.changed_at:
        yield f"changed     {letter.changed_at}"
    where = f"{sanitise(letter.stream)} {sanitise(letter.entry)}"
    yield f"entry       {where}, delivered {letter.deliveries} times"
    if letter.producer is not None:
        yield f"producer    {letter.producer:010x}, number {letter.sequence:,}"
    for name, value in letter.fields:
        yield f"field       {_escaped(name)} = {_escaped(value)}"


def _escaped(raw: bytes) -> str:
    return sanitise(raw.decode("utf-8", "backslashreplace"))


@click.command(
    cls=Command,
    examples="""
    godot dlq export > letters.jsonl          open ones, a JSON object a line
    godot dlq export --state all | gzip > all.jsonl.gz
    godot dlq export --reason json | jq -r '.fields[] | @tsv'
    """,
)
@selection
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
def export(ids: tuple[str, ...], reason: str | None, state: str) -> None:
    """Write dead letters as JSON lines, oldest first. [read]

    `fields` holds [name, value] pairs in their order; bytes that are no UTF-8 are
    {"base64": ...}, so that none is lost.
    """
    from godot.cli._store import opened
    from godot.letters import as_document, every
    from godot.settings import load

    with opened(load()) as store, progress(None, "letters written") as advance:
        for letter in every(store, wanted_letters(ids, reason, state)):
            write_line(json_text(as_document(letter)))
            advance(1)
