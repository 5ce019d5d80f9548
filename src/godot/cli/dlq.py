"""REPAIR: dead letters. What could not be stored, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._output import (
    FAILURE,
    FOUND,
    emit_document,
    emit_rows,
    fail,
    json_text,
    note,
    output_options,
    sanitise,
    write_line,
)
from godot.cli._plan import confirmed, plan_options

if TYPE_CHECKING:
    from dewey_logs import DeadLetter, DeadLetterFilter, Store

STATES = ("open", "retried", "dropped", "all")
COLUMNS = ("id", "at", "state", "reason", "stream", "entry", "deliveries")
SHOWN_REASONS = 10

ENTRIES = (
    Entry("ls", "godot.cli.dlq", "ls", "List dead letters, newest first.", "DEAD LETTERS"),
    Entry("show", "godot.cli.dlq", "show", "Show one with its raw fields.", "DEAD LETTERS"),
    Entry("retry", "godot.cli.dlq", "retry", "Store them after all.", "DEAD LETTERS"),
    Entry("drop", "godot.cli.dlq", "drop", "Give them up.", "DEAD LETTERS"),
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
        rows = [msgspec.to_builtins(item) for item in store.dead_letter_reasons()]
    columns = ("reason", "open", "oldest", "newest", "example")
    emit_rows(rows, columns, output=output, schema="godot.dlq/1")
    if not rows:
        note("no dead letter is open")


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the ways of saying which letters: IDs or --reason."""
    reason = click.option("--reason", metavar="TEXT", help="Those whose reason holds this text.")
    return click.argument("ids", nargs=-1, metavar="[ID]...")(reason(command))


@click.command(
    cls=Command,
    examples="""
    godot dlq ls                              open letters, newest first
    godot dlq ls --reason level --state all   by reason, also those that were retried or dropped
    godot dlq ls -o json | jq '.items[].id'   for a script
    """,
)
@_selection
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
@click.option("-n", "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@output_options
def ls(ids: tuple[str, ...], reason: str | None, state: str, limit: int, output: str) -> None:
    """List dead letters, newest first. [read]"""
    import msgspec

    from godot.cli._store import opened
    from godot.settings import load

    wanted = msgspec.structs.replace(
        _wanted(ids, reason, state),
        newest_first=True,
        payload=False,
        limit=min(limit + 1, 1_000),
    )
    with opened(load()) as store:
        found = store.dead_letters(wanted)
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
    godot dlq ls -o plain | cut -f1 | xargs -n1 godot dlq show
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
        found = store.dead_letters(_wanted((record_id,), None, "all"))
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
    godot dlq retry --reason level            how many that would be; nothing is done yet
    godot dlq retry 019b2f3c --yes            one of them
    godot dlq retry --all --yes               every open one
    """,
)
@_selection
@click.option("--all", "everything", is_flag=True, help="Every open letter.")
@plan_options
@output_options
@click.pass_context
def retry(
    context: click.Context,
    ids: tuple[str, ...],
    reason: str | None,
    everything: bool,
    yes: bool,
    no_input: bool,
    output: str,
) -> None:
    """Store open dead letters after all, once the cause is mended. [write]

    One that fails again stays open, with its new reason; the exit code is 4 then. One that was
    condemned unread is read from the stream again, or stays as it is when its entry is gone there.
    """
    import msgspec

    from godot.cli._store import opened
    from godot.letters import every
    from godot.letters import retry as retried
    from godot.settings import load

    wanted = _chosen(ids, reason, everything)
    settings = load()
    with opened(settings) as store:
        n = _plan(
            *(store, wanted, "stored again", "godot.dlq.retry/1", yes, no_input, output), read=True
        )
        done = retried(settings, store, every(store, wanted)) if n else None
    if done is None:
        return
    text = (
        f"{done.stored:,} stored, {done.duplicates:,} already there, {done.failed:,} failed again"
    )
    if done.expired:
        text += f", {done.expired:,} past retention"
    document = {"done": True, **msgspec.to_builtins(done)}
    emit_document(document, [text], output=output, schema="godot.dlq.retry/1")
    if done.gone:
        note(
            f"{done.gone:,} condemned unread stay open: their entries are gone from the stream,"
            " and with them all but the id"
        )
    if done.failed or done.expired or done.gone:
        context.exit(FOUND)


@click.command(
    cls=Command,
    examples="""
    godot dlq drop 019b2f3c                   what it would do; nothing is done yet
    godot dlq drop --reason "kills" --yes     those with such a reason
    godot dlq drop --all --yes                every open one
    """,
)
@_selection
@click.option("--all", "everything", is_flag=True, help="Every open letter.")
@plan_options
@output_options
def drop(
    ids: tuple[str, ...],
    reason: str | None,
    everything: bool,
    yes: bool,
    no_input: bool,
    output: str,
) -> None:
    """Give open dead letters up: they are kept, but no longer wait for anybody. [destroys]"""
    import msgspec

    from godot.cli._store import opened
    from godot.letters import every
    from godot.settings import load

    wanted = msgspec.structs.replace(_chosen(ids, reason, everything), payload=False)
    with opened(load()) as store:
        if not _plan(store, wanted, "given up", "godot.dlq.drop/1", yes, no_input, output):
            return
        dropped = store.drop_dead_letters([letter.id for letter in every(store, wanted)])
    emit_document(
        {"done": True, "dropped": dropped},
        [f"{dropped:,} given up"],
        output=output,
        schema="godot.dlq.drop/1",
    )


@click.command(
    cls=Command,
    examples="""
    godot dlq export > letters.jsonl          open ones, a JSON object a line
    godot dlq export --state all | gzip > all.jsonl.gz
    godot dlq export --reason json | jq -r '.fields[] | @tsv'
    """,
)
@_selection
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
def export(ids: tuple[str, ...], reason: str | None, state: str) -> None:
    """Write dead letters as JSON lines, oldest first. [read]

    `fields` holds [name, value] pairs in their order; bytes that are no UTF-8 are
    {"base64": ...}, so that none is lost.
    """
    from godot.cli._store import opened
    from godot.letters import as_document, every
    from godot.settings import load

    with opened(load()) as store:
        for letter in every(store, _wanted(ids, reason, state)):
            write_line(json_text(as_document(letter)))


def _wanted(ids: tuple[str, ...], reason: str | None, state: str) -> DeadLetterFilter:
    from dewey_logs import DeadLetterFilter

    return DeadLetterFilter(
        ids=ids,
        reason=reason,
        state=None if state == "all" else state,  # type: ignore[arg-type]  # click checked it
    )


def _chosen(ids: tuple[str, ...], reason: str | None, everything: bool) -> DeadLetterFilter:
    if sum(map(bool, (ids, reason, everything))) != 1:
        raise click.UsageError("say which: either IDs, or --reason TEXT, or --all")
    return _wanted(ids, reason, "open")


def _plan(
    store: Store,
    wanted: DeadLetterFilter,
    what: str,
    schema: str,
    yes: bool,
    no_input: bool,
    output: str,
    *,
    read: bool = False,
) -> int:
    """Show how many letters are meant and why they are there; return how many.

    With `read`, also how many of them have to be read from the stream, and what that may do.
    """
    from collections import Counter

    import msgspec

    from godot.letters import every, is_unread

    reasons: Counter[str] = Counter()
    unread = 0
    for letter in every(store, msgspec.structs.replace(wanted, payload=False)):
        reasons[letter.reason] += 1
        unread += is_unread(letter)
    n = sum(reasons.values())
    if not n:
        if wanted.ids:
            fail("GD-3002", "no open dead letter has such an id", "see: godot dlq ls --state all")
        emit_document(
            {"done": True, "letters": 0}, ["no dead letter is open"], output=output, schema=schema
        )
        return 0
    lines = [f"{n:,} dead letters to be {what}"]
    lines += [f"  {m:,}  {sanitise(text)}" for text, m in reasons.most_common(SHOWN_REASONS)]
    if len(reasons) > SHOWN_REASONS:
        lines.append(f"  and {len(reasons) - SHOWN_REASONS:,} more reasons")
    about = {"letters": n}
    if read:
        about["unread"] = unread
        if unread:
            lines.append(
                f"{unread:,} of them killed every worker that only received it: read from the"
                " stream now, it may kill this process, too"
            )
    confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema=schema)
    return n
