"""LOOK: the same as `status`, moving: rates of the last minutes, who works, who sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import USAGE, fail, sanitise, style
from godot.cli._table import sparkline, table
from godot.cli._times import Span

if TYPE_CHECKING:
    from godot.snapshot import Snapshot
    from godot.stream.groups import ConsumerInfo
    from godot.stream.snapshot import StreamSnapshot

SPARK_COLUMNS = 56
KEPT = 512  # looks
SHOWN_CONSUMERS, SHOWN_PRODUCERS = 8, 8
KEYS = "q ends · p pauses · + and - change how often"
SHORTEST_S, LONGEST_S = 0.2, 60.0


@click.command(
    cls=Command,
    examples="""
    godot top                                 full screen, every second
    godot top --interval 5s                   less often
    godot top --iterations 60                 end by itself after a minute
    """,
)
@click.option(
    "--interval", "interval_ms", type=Span(), default="1s", show_default=True, metavar="DURATION",
    help="How often to look: 500ms, 2s, 1m.",
)  # fmt: skip
@click.option("--iterations", type=Whole(1), help="End after so many looks.")
def top(interval_ms: int, iterations: int | None) -> None:
    """Watch records arrive, full screen: rates, what waits, workers, producers. [read]"""
    from godot import snapshot
    from godot.cli import _screen
    from godot.cli.status import standing_store
    from godot.settings import load

    if not _screen.is_possible():
        fail(
            "GD-1008",
            "top needs a terminal",
            "in a pipe: godot status --watch -o jsonl",
            USAGE,
        )
    settings = load()
    every_s = _within(interval_ms / 1000)
    past = Past()
    paused, looks = False, 0
    with ExitStack() as open_things:
        store = standing_store(settings, open_things)
        found = snapshot.take(settings, once=True, store=store)
        with _screen.Screen() as screen:
            while True:
                screen.draw(_lines(found, past, every_s, paused))
                key = screen.key(every_s)
                if key == "q" or (iterations is not None and looks >= iterations):
                    return
                paused = paused != (key == "p")
                every_s = _within(every_s * {"+": 0.5, "-": 2.0}.get(key, 1.0))
                if not paused and key == "":
                    found = snapshot.take(settings, found, store=store)
                    past.add(found)
                    looks += 1


def _within(seconds: float) -> float:
    return min(LONGEST_S, max(SHORTEST_S, seconds))


class Past:
    """What the looks so far found; None where nobody could tell."""

    def __init__(self) -> None:
        self.added: deque[float | None] = deque(maxlen=KEPT)
        self.stored: deque[float | None] = deque(maxlen=KEPT)
        self.waiting_s: deque[float | None] = deque(maxlen=KEPT)

    def add(self, found: Snapshot) -> None:
        """Keep what a look found."""
        group = found.group
        self.added.append(found.rate.added_per_s if found.rate else None)
        self.stored.append(group.settled_per_s if group else None)
        self.waiting_s.append(group.waiting_ms / 1000 if group else None)


def _lines(found: Snapshot, past: Past, every_s: float, paused: bool) -> Iterator[str]:
    from godot.cli.status import finding_lines, headline, store_lines, stream_lines
    from godot.findings import findings

    wrong = findings(found)
    yield headline(f"godot top, every {every_s:g} s{', PAUSED' if paused else ''}", wrong)
    for one in wrong:
        yield from finding_lines(one)
    yield ""
    yield _spark("IN", past.added, "/s")
    yield _spark("STORED", past.stored, "/s")
    yield _spark("WAITING", past.waiting_s, " s")
    yield ""
    yield from stream_lines(found)
    yield from store_lines(found)
    if found.stream is not None:
        yield ""
        yield from _consumer_lines(found.stream)
        yield ""
        yield from _producer_lines(found.stream)
    yield ""
    yield style(KEYS, dim=True)


def _spark(label: str, values: deque[float | None], unit: str) -> str:
    last = values[-1] if values else None
    digits = 1 if unit == " s" else 0
    shown = "?" if last is None else f"{last:,.{digits}f}{unit}"
    line = style(sparkline(list(values), SPARK_COLUMNS), fg="cyan")
    return f"{style(f'{label:<11}', bold=True)}{line} {shown:>11}"


def _consumer_lines(now: StreamSnapshot) -> Iterator[str]:
    from godot.wording import age

    busiest = sorted(now.group.consumers, key=lambda one: (-one.pending, one.idle_ms))
    rows = [
        (
            sanitise(one.name),
            f"{one.pending:,}",
            age(one.idle_ms),
            "?" if one.inactive_ms is None else age(one.inactive_ms),
            _word(one),
        )
        for one in busiest[:SHOWN_CONSUMERS]
    ]
    heads = ("WORKER", "PENDING", "LAST TRY", "LAST SUCCESS", "")
    yield from table(heads, rows, right=frozenset(heads[1:4]))
    if len(busiest) > SHOWN_CONSUMERS:
        yield f"and {len(busiest) - SHOWN_CONSUMERS} more: godot consumers"


def _word(one: ConsumerInfo) -> str:
    if one.heard_of:
        return "works" if one.pending else "waits for records"
    return "gone; what it holds can be claimed" if one.pending else "gone"


def _producer_lines(now: StreamSnapshot) -> Iterator[str]:
    from godot.cli.status import worst_and_busiest

    most = worst_and_busiest(now)
    rows = [
        (
            sanitise(item.component),
            f"{item.sent_sequence:,}",
            f"{item.dropped:,}",
            f"{sanitise(item.host)}:{item.pid}",
        )
        for item in most[:SHOWN_PRODUCERS]
    ]
    heads = ("PRODUCER", "SENT", "DROPPED", "WHERE")
    yield from table(heads, rows, right=frozenset(heads[1:3]))
    if len(most) > SHOWN_PRODUCERS:
        yield f"and {len(most) - SHOWN_PRODUCERS} more: godot producers"
