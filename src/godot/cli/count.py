"""LOOK: how many records, and when, or of what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from godot.cli._filters import search_filter, search_options
from godot.cli._group import Command
from godot.cli._lines import STYLES
from godot.cli._number import Whole
from godot.cli._output import cell, emit_rows, note, output_options, style, write_lines
from godot.cli._table import bar, screen_width, table

if TYPE_CHECKING:
    from dewey_logs import Facets, Histogram, LevelCounts, PatternTable

BAR_COLUMNS = 30
LEVELS = ("trace", "debug", "info", "warn", "error")
GRAVE = LEVELS[-2:]
MOST = 1_000


@click.command(
    cls=Command,
    examples="""
    godot count -s 1h                         records by level over time
    godot count -s 1d --every 1h -l warn      warnings and errors by the hour
    godot count "declined" --by data.code     which values a field has, by how often
    """,
)
@search_options
@click.option("--every", metavar="DURATION", help="One line for each 30s, 5m, 1h, 1d; or auto.")
@click.option("--by", metavar="FIELD", help="component, level, trace_id, or a place in data.")
@click.option(
    "-n", "--limit", type=Whole(1, MOST), default=20, show_default=True,
    help="How many values, with --by.",
)  # fmt: skip
@output_options
def count(every: str | None, by: str | None, limit: int, output: str, **filters: Any) -> None:
    """Count stored records: over time, or by the values of a field. [read]

    By time, component and level alone it is quick however many there are; with other filters
    the records are looked at, and the answer says when that was not all of them.
    """
    from godot.cli._store import opened
    from godot.settings import load

    if every is not None and by is not None:
        raise click.UsageError("say which: either --every, or --by")
    if by is not None:
        with opened(load()) as store:
            _show_values(store.facets(by, search_filter(**filters, limit=limit)), output)
        return
    with opened(load()) as store:
        _show_columns(store.histogram(search_filter(**filters), every or "auto"), output)


def _show_columns(found: Histogram, output: str) -> None:
    from godot.wording import count as of

    if output == "text":
        write_lines(_column_lines(found))
    else:
        rows = [_column(bucket.start, bucket.counts) for bucket in found.buckets]
        emit_rows(
            rows,
            ("start", "total", *LEVELS),
            output=output,
            schema="godot.count/1",
            truncated=found.truncated or found.scan_incomplete,
            interval_s=found.interval_s,
            matched=found.matched,
            **effort(found),
        )
    whole = of(found.matched, "record")
    note(f"{whole}, by {_interval(found.interval_s)} ({found.took_ms:,.0f} ms)")
    tell_incomplete(found)


def _column(start: str, counts: LevelCounts) -> dict[str, object]:
    return {
        "start": start,
        "total": counts.total,
        **{name: getattr(counts, name) for name in LEVELS},
    }


def _column_lines(found: Histogram) -> Iterator[str]:
    """Yield a line an interval; those at either end in which nothing came are left out."""
    some = [i for i, bucket in enumerate(found.buckets) if bucket.counts.total]
    if not some:
        return
    buckets = found.buckets[some[0] : some[-1] + 1]
    most = max(bucket.counts.total for bucket in buckets)
    form = "%Y-%m-%d %H:%M:%S" if found.interval_s % 60 else "%Y-%m-%d %H:%M"
    grave = [name for name in GRAVE if any(getattr(bucket.counts, name) for bucket in buckets)]
    rows = [
        (
            f"{datetime.fromisoformat(bucket.start).astimezone():{form}}",
            f"{bucket.counts.total:,}",
            *(_grave(name, getattr(bucket.counts, name)) for name in grave),
            bar(bucket.counts.total, most, BAR_COLUMNS),
        )
        for bucket in buckets
    ]
    heads = ("TIME", "RECORDS", *(name.upper() for name in grave), "")
    yield from table(heads, rows, right=frozenset(heads[1:-1]))


def _grave(name: str, n: int) -> str:
    return style(f"{n:,}", **STYLES[name.upper()]) if n else ""


def _interval(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _show_values(found: Facets, output: str) -> None:
    from godot.wording import count as of

    if output == "text":
        write_lines(_value_lines(found))
    else:
        rows = [{"value": value.value, "records": value.n} for value in found.values]
        emit_rows(
            rows,
            ("value", "records"),
            output=output,
            schema="godot.values/1",
            truncated=found.truncated or found.scan_incomplete,
            field=found.field,
            distinct=found.distinct,
            missing=found.missing,
            matched=found.matched,
            sampled=found.sampled,
            **effort(found),
        )
    text = f"{of(found.distinct, 'value')} in {of(found.matched, 'record')}"
    if found.missing:
        text += f", {found.missing:,} of them without it"
    note(f"{text} ({found.took_ms:,.0f} ms)")
    if found.sampled:
        note(f"only the newest {found.matched:,} that match were looked at")
    if found.truncated:
        note(f"showing {found.returned:,}: -n shows more")
    tell_incomplete(found)


def _value_lines(found: Facets) -> Iterator[str]:
    if not found.values:
        return
    most = found.values[0].n
    columns = BAR_COLUMNS if screen_width() >= 100 else 16
    rows = [
        (
            f"{one.n:,}",
            share(one.n, found.matched),
            f"{bar(one.n, most, columns):<{columns}}",
            cell(one.value),
        )
        for one in found.values
    ]
    heads = ("RECORDS", "SHARE", "", found.field.upper())
    yield from table(heads, rows, right=frozenset(("RECORDS", "SHARE")))


def share(n: int, whole: int) -> str:
    """Return a part in percent."""
    return f"{n / whole:.1%}" if whole else ""


def effort(found: Histogram | Facets | PatternTable) -> dict[str, Any]:
    """Return what an answer says of how it was found, for a document."""
    return {
        "scan_incomplete": found.scan_incomplete,
        "reached": found.reached,
        "strategy": found.strategy,
        "took_ms": found.took_ms,
    }


def tell_incomplete(found: Histogram | Facets | PatternTable) -> None:
    """Say how far an answer reaches that the budget cut."""
    if found.scan_incomplete:
        note(f"counted back to {found.reached} only: narrow --since or --component for all of it")
