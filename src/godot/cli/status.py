"""LOOK: whether records arrive, on one screen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._output import (
    FOUND,
    UNREACHABLE,
    USAGE,
    emit_document,
    fail,
    note,
    output_options,
    sanitise,
    style,
    write_line,
)
from godot.cli._table import cut, screen_width
from godot.cli._times import Span, offset

if TYPE_CHECKING:
    from godot.findings import Finding
    from godot.settings import Settings
    from godot.snapshot import Snapshot
    from godot.stream.producers import ProducerInfo
    from godot.stream.snapshot import StreamSnapshot

SCHEMA = "godot.status/1"
SHOWN_PRODUCERS = 5
UNKNOWN = "?"
NARROW = 80
INDENT = " " * 11


@click.command(
    cls=Command,
    examples="""
    godot status                              one look says whether logs are safe
    godot status --watch                      the same every two seconds; -o jsonl in a pipe
    godot -q status --exit-code || page-me    4: something is wrong, 3: a server is away
    godot status -o json | jq .findings       what is wrong, for a script
    """,
)
@click.option(
    "--watch", "watch_ms", type=Span(), is_flag=False, flag_value="2s", metavar="[EVERY]",
    help="Look again, every 2 s unless another time is given, until Ctrl-C.",
)  # fmt: skip
@click.option("--exit-code", is_flag=True, help="End with 4 when anything is wrong.")
@output_options
@click.pass_context
def status(context: click.Context, watch_ms: int | None, exit_code: bool, output: str) -> None:
    """Show whether records arrive: what is wrong, stream, group, store, producers. [read]

    What a server that is away would have told is shown as ?.
    """
    from godot import snapshot
    from godot.findings import findings
    from godot.settings import load

    if watch_ms is not None and exit_code:
        raise click.UsageError("say which: either --watch, or --exit-code")
    settings = load()
    if watch_ms is not None:
        _watch(settings, max(watch_ms, 100) / 1000, output)
        return
    found = snapshot.take(settings)
    _emit(found, output)
    if output != "text":
        for problem in found.problems:
            note(sanitise(problem))
    if found.problems:
        context.exit(UNREACHABLE)
    if exit_code and findings(found):
        context.exit(FOUND)


def _emit(found: Snapshot, output: str) -> None:
    from godot.status import as_document

    emit_document(as_document(found), status_lines(found), output=output, schema=SCHEMA)


def _watch(settings: Settings, every_s: float, output: str) -> None:
    from godot import snapshot
    from godot.cli import _screen

    if output in ("json", "csv"):
        fail("GD-1004", f"--watch never ends, {output} does", "use -o jsonl", USAGE)
    with ExitStack() as open_things:
        store = standing_store(settings, open_things)
        if output != "text" or not _screen.is_possible():
            found = snapshot.take(settings, store=store)
            while True:
                _emit(found, output)
                if output == "text":
                    write_line("")
                time.sleep(every_s)
                found = snapshot.take(settings, found, store=store)
        found = snapshot.take(settings, once=True, store=store)
        with _screen.Screen() as screen:
            key = ""
            while key != "q":
                screen.draw([*status_lines(found), "", style("q ends", dim=True)])
                key = screen.key(every_s)
                found = snapshot.take(settings, found, store=store)
    _emit(found, output)


def standing_store(settings: Settings, open_things: ExitStack) -> Any:
    """Return the store, open for many looks; None where there is none."""
    from godot.cli._store import opened

    return None if settings.dewey_url is None else open_things.enter_context(opened(settings))


# --- the screen -----------------------------------------------------------------------------------


def status_lines(found: Snapshot) -> Iterator[str]:
    """Yield one screen for a person, the worst first."""
    from godot.findings import findings

    wrong = findings(found)
    yield headline("godot", wrong)
    for one in wrong:
        yield from finding_lines(one)
    yield from stream_lines(found)
    yield from store_lines(found)
    if found.stream is not None:
        yield from _producer_lines(found.stream)


def headline(title: str, wrong: tuple[Finding, ...]) -> str:
    """Return the first line: how it does, and when that was."""
    from godot.wording import count

    critical = sum(one.severity == "critical" for one in wrong)
    parts = [
        style(f"{critical} critical", fg="red", bold=True) if critical else "",
        style(count(len(wrong) - critical, "warning"), fg="yellow") if wrong[critical:] else "",
    ]
    verdict = ", ".join(filter(None, parts)) or style("all healthy", fg="green")
    now = datetime.now().astimezone()
    clock = f"{now:%H:%M:%S} {offset(now)}"
    left = f"{style(title, bold=True)} · {verdict}"
    room = min(NARROW, screen_width()) - len(clock)
    return left + " " * max(2, room - len(click.unstyle(left))) + style(clock, dim=True)


def finding_lines(one: Finding) -> Iterator[str]:
    """Yield what is wrong and what to do about it, as many lines as the screen makes of it."""
    from textwrap import wrap

    critical = one.severity == "critical"
    mark = style("✗", fg="red", bold=True) if critical else style("!", fg="yellow")
    text = f"{one.code} {sanitise(one.text)}"
    first, *more = wrap(text, max(screen_width() - 2, 1), break_on_hyphens=False) or [text]
    yield f"{mark} {style(one.code, bold=True)}{first.removeprefix(one.code)}"
    yield from (f"  {line}" for line in more)
    steps = [step for step in (one.next_step, f"godot explain {one.code}") if step]
    yield style(f"  next: {sanitise(' · '.join(steps))}", dim=True)


def _labelled(label: str, *lines: str) -> Iterator[str]:
    """Yield lines behind a label in the first of them."""
    head = style(f"{label:<{len(INDENT)}}", bold=True)
    for line in lines:
        yield head + line
        head = INDENT


def stream_lines(found: Snapshot) -> Iterator[str]:
    """Yield what flows, the stream and our group."""
    from godot.wording import age, size

    now = found.stream
    if now is None:
        yield from _labelled("FLOW", UNKNOWN)
        yield from _labelled("STREAM", f"{sanitise(found.stream_name)} · {UNKNOWN}")
        yield from _labelled("GROUP", f"{sanitise(found.group_name)} · {UNKNOWN}")
        return
    yield from _labelled("FLOW", _flow(found))
    memory = UNKNOWN if now.bytes is None else size(now.bytes)
    holds = ""
    if found.buffer_s is not None:
        holds = f" · holds {age(int(found.buffer_s * 1000))} without a worker"
    filled = f"{now.entries:,} of {now.limit:,} entries ({now.entries / now.limit:.0%}) · {memory}"
    yield from _labelled(
        "STREAM",
        f"{sanitise(now.stream)} · {filled if now.exists else 'nothing was sent yet'}",
        f"{now.server_version or UNKNOWN}{holds}",
    )
    group = now.group
    oldest = ""
    if group.pending and group.pending_since_ms is not None:
        oldest = f" (oldest {age(now.now_ms - group.pending_since_ms)})"
    undelivered = UNKNOWN if group.undelivered is None else f"{group.undelivered:,}"
    state = style(group.state, **_colour(group.state)) if group.exists else "not made yet"
    workers = f"{group.active} of {len(group.consumers)} workers heard of"
    yield from _labelled(
        "GROUP",
        f"{sanitise(group.name)} · {state} · {workers}",
        f"{undelivered} undelivered · {group.pending:,} pending{oldest}",
        *_other_groups(now),
    )


def _other_groups(now: StreamSnapshot) -> Iterator[str]:
    """Yield a line about who else reads the stream, whatever their number."""
    from godot.wording import count

    if now.others:
        states = Counter(group.state for group in now.others).most_common()
        told = ", ".join(f"{n:,} {state}" for state, n in states)
        yield f"{count(len(now.others), 'other group')}: {told} · godot groups"


def _flow(found: Snapshot) -> str:
    from godot.wording import age

    group, rate = found.group, found.rate
    assert group is not None
    added = UNKNOWN if rate is None else f"{rate.added_per_s:,.0f}/s"
    settled = UNKNOWN if group.settled_per_s is None else f"{group.settled_per_s:,.0f}/s"
    waits = "nothing waits"
    if group.waiting_since_ms is not None:
        waits = f"oldest waiting {age(group.waiting_ms)}"
    return f"in {added} · stored {settled} · {waits}"


def _colour(state: str) -> dict[str, Any]:
    return {"fg": {"ok": "green", "behind": "yellow", "unknown": "yellow"}.get(state, "red")}


def store_lines(found: Snapshot) -> Iterator[str]:
    """Yield what is stored."""
    from godot.wording import age, count, size

    store = found.store
    if store is None:
        yield from _labelled("STORE", UNKNOWN)
        return
    about = "" if store.rows_exact else "about "
    letters = f"{count(store.rejected_open, 'dead letter')} open"
    if store.oldest and store.newest:
        now = datetime.now(UTC)
        newest, oldest = (
            age(int((now - datetime.fromisoformat(at)).total_seconds() * 1000))
            for at in (store.newest, store.oldest)
        )
        letters = f"newest record {newest} old, oldest {oldest} · {letters}"
    yield from _labelled(
        "STORE",
        f"{about}{count(store.rows, 'record')} · {size(store.bytes)}"
        f" · {count(store.partitions, 'partition')}",
        letters,
    )


def _producer_lines(now: StreamSnapshot) -> Iterator[str]:
    told = worst_and_busiest(now)
    sent = sum(item.sent_sequence for item in told)
    dropped = sum(item.dropped for item in told)
    total = f"{len(told)} · {sent:,} sent · "
    total += style(f"{dropped:,} dropped", fg="red") if dropped else "none dropped"
    lines = [total if told else "0"]
    for item in told[:SHOWN_PRODUCERS]:
        name = cut(sanitise(item.component), 24)
        lost = f" · {item.dropped:,} dropped" if item.dropped else ""
        lines.append(
            f"{name} · {sanitise(item.host)}:{item.pid} · {item.sent_sequence:,} sent{lost}"
        )
    if len(told) > SHOWN_PRODUCERS:
        lines.append(f"and {len(told) - SHOWN_PRODUCERS} more: godot producers")
    yield from _labelled("PRODUCERS", *lines)


def worst_and_busiest(now: StreamSnapshot) -> list[ProducerInfo]:
    """Return the producers: who dropped most, then who sent most."""
    return sorted(now.producers, key=lambda item: (-item.dropped, -item.sent_sequence))
