"""LOOK: the newest records, and those that follow."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from godot.cli._filters import filter_options, with_zone
from godot.cli._group import Command
from godot.cli._look import Look, exclude_option, kept, look_options
from godot.cli._number import Whole
from godot.cli._output import USAGE, fail, note, output_options
from godot.cli._records import RecordWriter
from godot.cli._times import Rate

if TYPE_CHECKING:
    from contextlib import ExitStack

    from dewey_logs import LogFilter, LogRecordView, Store
    from godot.settings import Settings
    from godot.tail import Keep, Tail

FOLLOW_MS = 1_000
RETRY_S = 1.0
LINES, MOST_LINES = 20, 1_000
READABLE_PER_S = 500.0  # on a terminal, unless it is said otherwise
TELL_EVERY_S = 1.0
GRAVE = ("WARN", "ERROR")


class Limit(Rate):
    """A rate, or 0 for none."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        return 0.0 if str(value) == "0" else super().convert(value, param, ctx)


@click.command(
    cls=Command,
    examples="""
    godot tail                                the last 20 records
    godot tail -f -l warn -c "api.*"          follow warnings and errors of some components
    godot tail -f -x /health -H timeout       leave some out, mark others
    godot tail -f -n 0 -o jsonl | jq .        only what comes from now on, as JSON lines
    """,
)
@click.argument("text", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what arrives, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=Whole(0, MOST_LINES),
    help="How many of the newest to begin with; default: 20, with --since 1000.",
)
@click.option("-s", "--since", metavar="TIME", help="Begin there: 15m, 14:05, today, or RFC 3339.")
@filter_options
@exclude_option
@look_options
@click.option(
    "--rate-limit", type=Limit(), metavar="RATE",
    help="Show no more than this; 0 for all. Default: 500/s on a terminal, else all.",
)  # fmt: skip
@output_options
def tail(
    text: str | None,
    follow: bool,
    lines: int | None,
    since: str | None,
    level: str | None,
    component: tuple[str, ...],
    trace_id: str | None,
    data: dict[str, object],
    where: tuple[str, ...],
    exclude: tuple[re.Pattern[str], ...],
    look: Look,
    rate_limit: float | None,
    output: str,
) -> None:
    """Show the newest records, the oldest of them first; -f goes on with what arrives. [read]

    TEXT keeps only messages that contain it, in any case. Records that are not stored yet are shown
    too. Without a store, history is what the stream still holds.
    """
    from dewey_logs import LogFilter, narrowed
    from godot.settings import load

    if follow and output == "json":
        fail("GD-1004", "-f never ends, a JSON document does", "use -o jsonl", USAGE)
    if lines is None:
        lines = LINES if since is None else MOST_LINES
    wanted = LogFilter(
        since=with_zone(since),
        level=level,
        component=component,
        trace_id=trace_id,
        contains=text,
        data=data or None,
        limit=lines,
    )
    wanted = narrowed(" ".join(where), wanted)
    if rate_limit is None:
        rate_limit = READABLE_PER_S if output == "text" and sys.stdout.isatty() else 0.0
    batches = _tailed(load(), wanted, kept(exclude), follow)
    with RecordWriter(output, look) as writer:
        shown = next(batches, [])
        writer.write(shown)
        if since is not None and lines and len(shown) == lines:
            writer.about["truncated"] = True
            note(f"showing the newest {lines:,} since then; all of them: godot query --all")
        if follow and sys.stderr.isatty():
            note("following; Ctrl-C ends")
        budget = Budget(rate_limit, time.monotonic)
        try:
            for batch in batches:
                writer.write(budget.admitted(batch))
                budget.tell()
        finally:
            budget.tell(last=True)


class Budget:
    """Lets so many records a second through, and counts the others; with 0 it lets all through."""

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._room = max(1.0, per_s)
        self._at = self._told_at = clock()
        self._hidden: dict[str, int] = {}

    def admitted(self, batch: list[LogRecordView]) -> list[LogRecordView]:
        """Return the part of a batch that may be shown now."""
        if not self._per_s:
            return batch
        now = self._clock()
        self._room = min(max(1.0, self._per_s), self._room + (now - self._at) * self._per_s)
        self._at = now
        n = min(len(batch), int(self._room))
        self._room -= n
        for record in batch[n:]:
            self._hidden[record.level] = self._hidden.get(record.level, 0) + 1
        return batch[:n]

    def tell(self, *, last: bool = False) -> None:
        """Say now and then what was not shown."""
        now = self._clock()
        if not self._hidden or (not last and now < self._told_at + TELL_EVERY_S):
            return
        grave = ", ".join(f"{self._hidden[n]:,} {n}" for n in GRAVE if n in self._hidden)
        among = f", among them {grave}" if grave else ""
        note(
            f"{sum(self._hidden.values()):,} records not shown{among}: more than"
            f" {self._per_s:,g}/s. Narrow with -l, -c or -x, or --rate-limit 0"
        )
        self._hidden, self._told_at = {}, now


def _tailed(
    settings: Settings, wanted: LogFilter, keep: Keep | None, follow: bool
) -> Iterator[list[LogRecordView]]:
    """Yield history, then what arrives; where one of the two servers is away, the other does."""
    from contextlib import ExitStack

    from godot.errors import StreamUnavailable
    from godot.tail import Tail, newest

    with ExitStack() as open_things:
        store = _answering_store(settings, open_things)
        try:
            tail = open_things.enter_context(Tail(settings, store, wanted, keep))
            history = tail.history()
        except StreamUnavailable as exc:
            if follow or store is None:
                raise
            note(f"showing what is stored: {exc}")
            yield newest(store, wanted, keep)[::-1]
            return
        yield history
        said = _Said()
        said.tell(tail)
        away = False
        while follow:
            try:
                arrived = tail.live(FOLLOW_MS)
            except StreamUnavailable as exc:
                if not away:
                    note(f"{exc}; trying again")
                away = True
                time.sleep(RETRY_S)
            else:
                if away:
                    note("Redis is back")
                away = False
                said.tell(tail)
                yield arrived


class _Said:
    """What was said already of the entries that cannot be shown."""

    def __init__(self) -> None:
        self._undecodable = self._missed = 0

    def tell(self, tail: Tail) -> None:
        from godot.wording import count

        if tail.undecodable > self._undecodable:
            n = tail.undecodable - self._undecodable
            note(f"not shown, since no records: {count(n, 'entry', 'entries')}")
        if tail.missed > self._missed:
            n = tail.missed - self._missed
            gone = count(n, "entry", "entries")
            note(f"trimmed before it could be shown: {gone}; see: godot query")
        self._undecodable, self._missed = tail.undecodable, tail.missed


def _answering_store(settings: Settings, open_things: ExitStack) -> Store | None:
    """Return the store, or None when there is none or it is away: then the stream has to do."""
    from dewey_logs import Unavailable, open_store

    if settings.dewey_url is None:
        return None
    store = open_things.enter_context(
        open_store(
            settings.dewey_url,
            reader_url=settings.dewey_reader_url,
            token=settings.dewey_token,
        )
    )
    try:
        store.window()
    except Unavailable as exc:
        note(f"showing what the stream still holds: {exc}")
        return None
    return store
