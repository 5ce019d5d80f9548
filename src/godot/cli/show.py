"""LOOK: one record with all it says, and what stood beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from godot.cli._filters import with_zone
from godot.cli._group import Command
from godot.cli._lines import STYLES, TextLines
from godot.cli._look import PLAIN, Look
from godot.cli._number import Whole
from godot.cli._output import (
    cell,
    emit_document,
    fail,
    json_text,
    note,
    output_options,
    sanitise,
    style,
)
from godot.cli._records import row_of
from godot.cli._table import screen_width

if TYPE_CHECKING:
    from dewey_logs import Context, LogRecordView

SCHEMA = "godot.record/1"
MOST_AROUND = 500
MARK = "▶ "


@click.command(
    cls=Command,
    examples="""
    godot show 01a204ee-a501-8000-8000-0045cab67969          ids: godot query --id
    godot show 01a204ee-a501-8000-8000-0045cab67969 -C 20 --same trace
    godot show 01a204ee-a501-8000-8000-0045cab67969 -o json | jq .record.data
    """,
)
@click.argument("record_id", metavar="ID")
@click.option(
    "-C", "--context", "around", type=Whole(0, MOST_AROUND), default=5, show_default=True,
    help="How many records before and after it.",
)  # fmt: skip
@click.option(
    "--same", type=click.Choice(("component", "trace", "any")), default="component",
    show_default=True, help="What those have in common with it.",
)  # fmt: skip
@click.option("--at", metavar="TIME", help="Its created_at; quicker for an id from elsewhere.")
@click.option("--utc", is_flag=True, help="Times in UTC; else they are local.")
@output_options
def show(record_id: str, around: int, same: str, at: str | None, utc: bool, output: str) -> None:
    """Show one stored record with everything in it, and those around it. [read]"""
    from datetime import UTC

    from dewey_logs import parse_time
    from godot.cli._store import opened
    from godot.settings import load

    created_at = None if at is None else parse_time("at", with_zone(at) or "", datetime.now(UTC))
    with opened(load()) as store:
        found = store.context(
            record_id,
            created_at,
            before=around,
            after=around,
            same=None if same == "any" else "trace" if same == "trace" else "component",
        )
    if found is None:
        fail(
            "GD-1007",
            f"no stored record has the id {record_id}",
            "not stored yet, or removed; see: godot status",
        )
    record = found.rows[found.position]
    look = Look(zone=UTC) if utc else PLAIN
    emit_document(
        _document(found, record, output), _lines(found, record, look), output=output, schema=SCHEMA
    )
    if found.truncated and around and output in ("text", "json", "jsonl"):
        note(f"showing {around} before and after it at most: -C shows more")


def _document(found: Context, record: LogRecordView, output: str) -> dict[str, object]:
    """Return the record and its neighbours; where there is room for one thing only, the record."""
    if output in ("plain", "csv"):
        return dict(row_of(record))
    return {
        "record": row_of(record),
        "before": [row_of(one) for one in found.rows[: found.position]],
        "after": [row_of(one) for one in found.rows[found.position + 1 :]],
        "more_before": found.more_before,
        "more_after": found.more_after,
        "strategy": found.strategy,
        "took_ms": found.took_ms,
    }


def _lines(found: Context, record: LogRecordView, look: Look) -> Iterator[str]:
    at = datetime.fromisoformat(record.created_at).astimezone(look.zone)
    yield f"{style('id', dim=True)}         {record.id}"
    yield f"{style('time', dim=True)}       {at.isoformat(' ')}"
    yield f"{style('level', dim=True)}      {style(record.level, **STYLES.get(record.level, {}))}"
    yield f"{style('component', dim=True)}  {sanitise(record.component)}"
    if record.trace_id:
        yield f"{style('trace', dim=True)}      {sanitise(record.trace_id)}"
    first, *more = record.message.split("\n")
    yield f"{style('message', dim=True)}    {style(sanitise(first), bold=True)}"
    for line in more:
        yield f"           {sanitise(line)}"
    if record.data:
        yield style("data", dim=True)
        yield from _tree(record.data, 2)
    if len(found.rows) > 1:
        yield ""
        lines = TextLines(look, screen_width() - len(MARK))
        for number, one in enumerate(found.rows):
            mark = style(MARK, bold=True) if number == found.position else " " * len(MARK)
            for line in lines.of(one):
                yield mark + line


def _tree(data: dict[str, object], indent: int) -> Iterator[str]:
    """Yield data a key a line, objects indented, text of several lines as it stands."""
    names = max(len(sanitise(key)) for key in data)
    for key, value in data.items():
        name = style(f"{sanitise(key):<{names}}", dim=True)
        head = f"{'':{indent}}{name}  "
        if isinstance(value, dict) and value:
            yield head.rstrip()
            yield from _tree(value, indent + 2)
        elif isinstance(value, str) and "\n" in value:
            yield head.rstrip()
            for line in value.rstrip("\n").split("\n"):
                yield f"{'':{indent + 2}}{sanitise(line)}"
        else:
            yield head + ("null" if value is None else _scalar(value))


def _scalar(value: object) -> str:
    return json_text(value) if isinstance(value, list | dict) else cell(value)
