"""LOOK: which kinds of messages there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from godot.cli._filters import search_filter, search_options
from godot.cli._group import Command
from godot.cli._lines import STYLES
from godot.cli._number import Whole
from godot.cli._output import (
    cell,
    emit_rows,
    note,
    output_options,
    sanitise,
    style,
    write_lines,
)
from godot.cli._records import row_of
from godot.cli._table import table
from godot.cli.count import effort, share, tell_incomplete

if TYPE_CHECKING:
    from dewey_logs import PatternCount, PatternTable

MOST = 1_000


@click.command(
    cls=Command,
    examples="""
    godot patterns -s 1h                      which kinds of messages there are
    godot patterns -l error -s 1d             of errors alone
    godot patterns -s 1h -o json | jq '.items[0].sample'
    """,
)
@search_options
@click.option(
    "-n", "--limit", type=Whole(1, MOST), default=20, show_default=True,
    help="How many, the most frequent first.",
)  # fmt: skip
@output_options
def patterns(limit: int, output: str, **filters: Any) -> None:
    """Show which kinds of messages there are, the most frequent first. [read]

    Messages that differ in numbers and names only are one kind. By time alone it is quick however
    many there are.
    """
    from godot.cli._store import opened
    from godot.settings import load
    from godot.wording import count

    with opened(load()) as store:
        found = store.patterns(search_filter(**filters, limit=limit))
    if output == "text":
        write_lines(_pattern_lines(found))
    else:
        emit_rows(
            [_pattern(one) for one in found.patterns],
            ("records", "first_seen", "last_seen", "level", "component", "template", "pattern"),
            output=output,
            schema="godot.patterns/1",
            truncated=found.truncated or found.scan_incomplete,
            distinct=found.distinct,
            matched=found.matched,
            **effort(found),
        )
    kinds = f"{count(found.distinct, 'kind')} of messages in {count(found.matched, 'record')}"
    note(f"{kinds} ({found.took_ms:,.0f} ms)")
    if found.truncated:
        note(f"showing {found.returned:,}: -n shows more")
    tell_incomplete(found)


def _pattern(one: PatternCount) -> Mapping[str, object]:
    sample = one.sample
    return {
        "records": one.n,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "seen_exactly": one.seen_exactly,
        "level": sample and sample.level,
        "component": sample and sample.component,
        "template": one.template,
        "pattern": str(one.pattern),  # beyond what JavaScript's numbers hold
        "sample": sample and row_of(sample),
    }


def _pattern_lines(found: PatternTable) -> Iterator[str]:
    """Yield a line a kind; level and component are those of one record of it."""
    if not found.patterns:
        return
    now = datetime.now(UTC)
    rows: list[Sequence[str]] = []
    for one in found.patterns:
        sample = one.sample
        level = sample.level if sample else ""
        rows.append(
            (
                f"{one.n:,}",
                share(one.n, found.matched),
                _ago(now, one.last_seen, exactly=one.seen_exactly),
                style(f"{level:<5}", **STYLES.get(level, {})),
                sanitise(sample.component) if sample else "",
                cell(one.template),
            )
        )
    heads = ("RECORDS", "SHARE", "LAST", "LEVEL", "COMPONENT", "MESSAGE")
    yield from table(heads, rows, right=frozenset(("RECORDS", "SHARE", "LAST")))


def _ago(now: datetime, text: str, *, exactly: bool) -> str:
    """Return how long ago something was; of an hour that is not over, `this hour`."""
    from godot.wording import age

    ms = int((now - datetime.fromisoformat(text)).total_seconds() * 1000)
    if not exactly and ms < 3_600_000:
        return "this hour"
    return age(ms)
