"""REPAIR: settling dead letters: stored after all, or given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._letters import selection, wanted_letters
from godot.cli._output import FOUND, emit_document, fail, note, output_options, sanitise
from godot.cli._plan import confirmed, plan_options, progress

if TYPE_CHECKING:
    from dewey_logs import DeadLetter, DeadLetterFilter, Store

SHOWN_REASONS = 10


@click.command(
    cls=Command,
    examples="""
    godot dlq retry --reason level            how many that would be; nothing is done yet
    godot dlq retry 019b2f3c --yes            one of them
    godot dlq retry --all --yes               every open one
    """,
)
@selection
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
        with progress(n, "retrying") as advance:
            done = retried(settings, store, _counted(every(store, wanted), advance))
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
@selection
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
        _plan(store, wanted, "given up", "godot.dlq.drop/1", yes, no_input, output)
        dropped = store.drop_dead_letters([letter.id for letter in every(store, wanted)])
    emit_document(
        {"done": True, "dropped": dropped},
        [f"{dropped:,} given up"],
        output=output,
        schema="godot.dlq.drop/1",
    )


def _counted(letters: Iterable[DeadLetter], advance: Callable[[int], None]) -> Iterator[DeadLetter]:
    for letter in letters:
        yield letter
        advance(1)


def _chosen(ids: tuple[str, ...], reason: str | None, everything: bool) -> DeadLetterFilter:
    if sum(map(bool, (ids, reason, everything))) != 1:
        raise click.UsageError("say which: either IDs, or --reason TEXT, or --all")
    return wanted_letters(ids, reason, "open")


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
    from godot.wording import count

    reasons: Counter[str] = Counter()
    unread = 0
    for letter in every(store, msgspec.structs.replace(wanted, payload=False)):
        reasons[letter.reason] += 1
        unread += is_unread(letter)
    n = sum(reasons.values())
    if not n:
        if wanted.ids:
            fail("GD-3002", "no open dead letter has such an id", "see: godot dlq ls --state all")
        note("no dead letter is open")
        return 0
    lines = [f"{count(n, 'dead letter')} to be {what}"]
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
