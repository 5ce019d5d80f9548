"""LOOK: one request through every program it passed, as a waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._lines import STYLES, TextLines
from godot.cli._look import Look, look_options
from godot.cli._number import Whole
from godot.cli._output import (
    emit_rows,
    fail,
    note,
    output_options,
    sanitise,
    style,
    write_lines,
)
from godot.cli._records import columns_of, row_of
from godot.cli._table import cut, screen_width
from godot.cli._text import width

if TYPE_CHECKING:
    from dewey_logs import Trace, TraceRecord

SCHEMA = "godot.trace/1"
MOST = 10_000
WIDEST_NAME, NARROWEST_BARS, WIDEST_BARS, LEVEL_COLUMNS = 20, 12, 40, 5
# keys under which programs say how long something took that is over when they log it, in ms
DURATIONS = ("duration_ms", "took_ms", "elapsed_ms", "latency_ms", "waited_ms", "ms")


@click.command(
    cls=Command,
    examples="""
    godot trace 4bf92f35                      the first 8 digits will do
    godot trace 4bf92f35 --logs               its records in full
    godot trace 4bf92f35 -o csv > trace.csv   with the ms since its beginning
    """,
)
@click.argument("trace_id", metavar="ID")
@click.option("--logs", is_flag=True, help="The records in full instead of a waterfall.")
@click.option(
    "-n", "--limit", type=Whole(1, MOST), default=1_000, show_default=True,
    help="How many of its first records.",
)  # fmt: skip
@look_options
@output_options
def trace(trace_id: str, logs: bool, limit: int, look: Look, output: str) -> None:
    """Show the records of one trace in order: when each came, and how long things took. [read]

    A bar is what a record itself says it took (duration_ms and the like); a record that says
    nothing is a dot.
    """
    from godot.cli._store import opened
    from godot.settings import load

    with opened(load()) as store:
        found = store.trace(trace_id, limit)
    if found is None:
        fail(
            "GD-1007",
            f"no stored record belongs to the trace {trace_id}",
            "not stored yet, or a UUID's beginning of less than 8 digits; see: godot status",
        )
    if output != "text":
        emit_rows(
            (_row(one, look) for one in found.rows),
            ("offset_ms", "gap_ms", *columns_of(look)),
            output=output,
            schema=SCHEMA,
            truncated=found.truncated,
            **_about(found),
        )
    elif logs:
        lines = TextLines(look)
        write_lines(line for one in found.rows for line in lines.of(one.record))
    else:
        write_lines([*_title(found), *_waterfall(found)])
    if found.truncated:
        note(f"showing the first {found.returned:,} of {_total(found)} records: -n shows more")
    if found.scan_incomplete:
        note("too long to be searched for its first error: godot query --asc -l error -t ID does")


def _row(one: TraceRecord, look: Look) -> Mapping[str, object]:
    return {"offset_ms": one.offset_ms, "gap_ms": one.gap_ms, **row_of(one.record, look)}


def _about(found: Trace) -> dict[str, Any]:
    return {
        "trace_id": found.trace_id,
        "matched": found.matched,
        "matched_capped": found.matched_capped,
        "started": found.started,
        "ended": found.ended,
        "duration_ms": found.duration_ms,
        "components": list(found.components),
        "first_error": found.first_error and row_of(found.first_error),
        "scan_incomplete": found.scan_incomplete,  # then there may be an error all the same
    }


def _total(found: Trace) -> str:
    return f"{found.matched:,}{' or more' if found.matched_capped else ''}"


def _title(found: Trace) -> Iterator[str]:
    at = datetime.fromisoformat(found.started).astimezone()
    yield f"trace {sanitise(found.trace_id)} · {at:%Y-%m-%d %H:%M:%S}"
    parts = [
        f"{_total(found)} records",
        f"{len(found.components)} components",
        _ms(found.duration_ms),
    ]
    if found.first_error is not None:
        said = sanitise(found.first_error.message.split("\n")[0])
        parts.append(style(f"first error: {said}", fg="red"))
    yield " · ".join(parts)


def _waterfall(found: Trace) -> Iterator[str]:
    """Yield a line a record, over the time from what began first to what came last."""
    begins = [one.offset_ms - (_took_ms(one) or 0.0) for one in found.rows]
    begin, end = min(begins), max(one.offset_ms for one in found.rows)
    columns = min(WIDEST_BARS, max(NARROWEST_BARS, screen_width() // 4))
    times = max(len(_ms(one.offset_ms)) for one in found.rows)
    names = max(width(sanitise(one.record.component)) for one in found.rows)
    names = min(WIDEST_NAME, names)
    room = screen_width() - times - columns - names - LEVEL_COLUMNS - 4 * 2
    scale = (columns - 1) / (end - begin) if end > begin else 0.0
    for one, began in zip(found.rows, begins, strict=True):
        record, took_ms = one.record, _took_ms(one)
        colour = STYLES.get(record.level, {})
        name = cut(sanitise(record.component), names)
        message = sanitise(record.message.split("\n")[0])
        took = f"  {_ms(took_ms)}" if took_ms else ""
        message = cut(message, max(room - len(took), NARROWEST_BARS)) + took
        blank, last = round((began - begin) * scale), round((one.offset_ms - begin) * scale)
        drawn = "█" * (last - blank + 1) if took_ms else "●"
        yield (
            f"{_ms(one.offset_ms):>{times}}  "
            f"{' ' * blank}{style(drawn, **colour)}{' ' * (columns - blank - len(drawn))}  "
            f"{name}{' ' * (names - width(name))}  "
            f"{style(f'{record.level:<{LEVEL_COLUMNS}}', **colour)}  {message}"
        )


def _took_ms(one: TraceRecord) -> float | None:
    """Return how long a record says something took."""
    data = one.record.data or {}
    for key in DURATIONS:
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None


def _ms(ms: float) -> str:
    if ms >= 10_000:
        return f"{ms / 1000:,.1f} s"
    digits = 0 if ms >= 10 or ms == 0 else 1 if ms >= 1 else 2
    return f"{ms:,.{digits}f} ms"
