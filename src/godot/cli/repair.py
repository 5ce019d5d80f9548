"""REPAIR: settle by hand what workers left, store again what is in the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from godot.cli._entries import entry_id
from godot.cli._group import Command
from godot.cli._output import FAILURE, emit_document, fail, note, output_options, sanitise
from godot.cli._plan import confirmed, plan_options, progress
from godot.cli._times import Rate, Span, moment
from godot.wording import count

if TYPE_CHECKING:
    from godot.worker.assemble import Tally


@click.command(
    cls=Command,
    examples="""
    godot claim                               what could be taken over; nothing is done yet
    godot claim --yes                         store and acknowledge what idles for 5 minutes
    godot claim --min-idle 1h --yes           only what idles for an hour
    """,
)
@click.option(
    "--min-idle", "min_idle_ms", type=Span(), default="5m", show_default=True, metavar="DURATION",
    help="Take what nobody has touched for this long.",
)  # fmt: skip
@plan_options
@output_options
def claim(min_idle_ms: int, yes: bool, no_input: bool, output: str) -> None:
    """Settle what dead workers left: store, commit, then acknowledge. [write]

    Workers do this by themselves; by hand it is for when none runs. Nothing is ever acknowledged
    that is not committed.
    """
    from godot.cli._store import opened
    from godot.repair import Repair
    from godot.settings import load

    settings = load()
    if min_idle_ms < 1:
        raise click.BadParameter("0 would take from workers what they have in hand: at least 1ms")
    with Repair(settings) as repair, opened(settings) as store:
        plan = repair.plan_claim(min_idle_ms)
        about = {
            "settle": len(plan.settle),
            "suspects": len(plan.suspects),
            "without_payload": len(plan.without_payload),
        }
        if not plan.total:
            document = {"done": True, **about, "entries": 0, "condemned": 0}
            emit_document(
                document, ["nothing is pending for so long"], output=output, schema="godot.claim/1"
            )
            return
        lines = [
            f"{count(len(plan.settle), 'entry', 'entries')} to be stored and acknowledged",
            f"{len(plan.suspects):,} suspected of killing workers, to be settled one at a time",
            f"{len(plan.without_payload):,} without payload, to be acknowledged as lost",
        ]
        confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema="godot.claim/1")
        with progress(plan.total, "claiming") as advance:
            done = repair.claim(plan, store, min_idle_ms, advance)
    document = {
        "done": True,
        "entries": done.entries,
        "condemned": done.condemned,
        "without_payload": done.without_payload,
        **_tally(done.tally),
    }
    missed = plan.total - done.entries - done.without_payload
    text = [f"{count(done.entries, 'entry', 'entries')} settled: {_told(done.tally)}"]
    if done.without_payload:
        text.append(f"{done.without_payload:,} without payload entered as lost")
    if missed:
        text.append(f"{missed:,} left to a worker that was quicker")
    emit_document(document, text, output=output, schema="godot.claim/1")


@click.command(
    cls=Command,
    examples="""
    godot replay --since 2h                   how much that would be; nothing is done yet
    godot replay --since 2h --yes             store again what came in the last two hours
    godot replay --from 1795353551832-0 --rate 500/s --yes
    """,
)
@click.option("--from", "first", metavar="ID", help="The first entry; 0 is the oldest there is.")
@click.option("-s", "--since", metavar="TIME", help="Entries added since: 15m, today, RFC 3339.")
@click.option("-u", "--until", metavar="TIME", help="Entries added before.")
@click.option("--rate", type=Rate(), metavar="N/s", help="At most so many entries a second.")
@plan_options
@output_options
def replay(
    first: str | None,
    since: str | None,
    until: str | None,
    rate: float | None,
    yes: bool,
    no_input: bool,
    output: str,
) -> None:
    """Store again what is in the stream; what is stored already counts as duplicate. [write]

    Nothing is acknowledged or taken from a worker. Records that a clear has removed stay removed.
    """
    from godot.cli._store import opened
    from godot.replay import measure
    from godot.replay import replay as replayed
    from godot.settings import load
    from godot.stream.ids import StreamID

    if (first is None) == (since is None):
        raise click.UsageError("give either --from ID or --since TIME")
    start = StreamID(_ms("since", since), 0) if since else entry_id(first or "")
    end = StreamID(_ms("until", until) - 1, 2**64 - 1) if until else None
    settings = load()
    with opened(settings) as store:
        part = measure(settings, start, end)
        about = {"first": str(part.first), "last": str(part.last), "entries": part.entries}
        if not part.entries:
            emit_document(
                {"done": True, **about},
                ["there is nothing in the stream between these"],
                output=output,
                schema="godot.replay/1",
            )
            return
        limit = "" if rate is None else f" at {rate:g} a second"
        entries = count(part.entries, "entry", "entries")
        lines = [f"{entries} of {settings.stream} to be stored again{limit}"]
        confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema="godot.replay/1")
        with progress(part.entries, "replaying") as advance:
            tally = replayed(settings, store, part, rate=rate, progress=advance)
    emit_document(
        {"done": True, **about, **_tally(tally)},
        [_told(tally)],
        output=output,
        schema="godot.replay/1",
    )


@click.command(
    cls=Command,
    examples="""
    godot ack 1795353551832-0 --reason "known bad"          what it would do; nothing is done yet
    godot ack 1795353551832-0 --reason "known bad" --yes    make it a dead letter, acknowledge it
    godot ack 1795353551832-0 1795353551832-1 --reason x    several at once
    """,
)
@click.argument("ids", nargs=-1, required=True, metavar="ENTRY...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the record.")
@plan_options
@output_options
def ack(ids: tuple[str, ...], reason: str, yes: bool, no_input: bool, output: str) -> None:
    """Give pending entries up: each becomes a dead letter, then it is acknowledged. [destroys]

    A dead letter keeps every byte and can be retried. An entry without payload has nothing to
    keep and is entered as lost.
    """
    from godot.cli._store import opened
    from godot.repair import Repair
    from godot.settings import load

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    wanted = [entry_id(text) for text in ids]
    settings = load()
    with Repair(settings) as repair, opened(settings) as store:
        plan = repair.plan_ack(wanted)
        for missing in plan.not_pending:
            note(f"{missing} is not pending in {settings.group}: left alone")
        if not (plan.entries or plan.without_payload):
            fail("GD-3001", "none of these entries is pending", "see: godot pending", FAILURE)
        about = {
            "dead_letters": len(plan.entries),
            "without_payload": len(plan.without_payload),
            "not_pending": len(plan.not_pending),
        }
        entries = count(len(plan.entries), "entry", "entries")
        lines = [f"{entries} to be acknowledged, with a dead letter for each"]
        lines += [
            f"  {item.id}  idle {item.idle_ms / 1000:,.1f} s  {item.deliveries} deliveries"
            f"  {sanitise(item.consumer)}"
            for item in plan.entries
        ]
        if plan.without_payload:
            lines.append(f"{len(plan.without_payload):,} without payload, to be entered as lost")
        confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema="godot.ack/1")
        acknowledged = repair.acknowledge(plan, store, reason)
    emit_document(
        {"done": True, **about, "acknowledged": acknowledged},
        [f"{acknowledged:,} acknowledged; see: godot dlq ls"],
        output=output,
        schema="godot.ack/1",
    )


def _ms(name: str, text: str | None) -> int:
    return int(moment(name, text or "").timestamp() * 1000)


def _tally(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in tally.__struct_fields__}


def _told(tally: Tally) -> str:
    text = f"{tally.stored:,} stored, {tally.duplicates:,} already there"
    for name, words in (
        ("rejected", "dead letters"),
        ("expired", "past retention"),
        ("cleared", "cleared before and left out"),
    ):
        n = getattr(tally, name)
        if n or name == "rejected":
            text += f", {n:,} {words}"
    return text
