"""What every command prints, and how it ends: one set of rules, so that scripts can rely on them.

stdout carries data and nothing else; whatever is meant for a person (notes, progress, errors) goes
to stderr. On a terminal the data is an aligned table, in a pipe it is tab-separated lines that are
never cut. Log text is written by strangers: control characters never leave here unescaped.

For the author of a command::

    from godot.cli._group import Command
    from godot.cli._output import emit_rows, note, output_options

    @click.command(cls=Command, examples='godot query "card declined" --since 1h')
    @output_options                                  # adds -o/--output, --json, --color
    def query(output: str, ...) -> None:             # output: text|json|jsonl|csv|plain, resolved
        '''Find stored records.'''
        emit_rows(rows, ("created_at", "level", "message"), output=output, truncated=True)
        note("showing 200 of 18,304; more with --cursor ...")

emit_rows(rows, columns, *, output, schema="godot.rows/1", truncated=False, numbers=(), header=True,
          fit=False, **about) -> None
    rows are mappings; text aligns, plain joins with tabs (no header), csv has a header, jsonl is a
    row a line with every key, json is one document {schema, generated_at, truncated, **about,
    items}. Everything but text, and json's items, is written row by row. Columns in `numbers` are
    right-aligned in text, in groups of three, and `?` where unknown. With `fit` the last column of
    text ends in … where the screen does.
emit_document(document, lines, *, output, schema) -> None
    for a single answer (status, version): `lines` on a terminal, the mapping in every other form
    (plain: dotted key, tab, value).
write_line(text) -> None       one line to stdout (text is data: pass it through sanitise first);
                               with `exact` even what looks like a colour stays
write_lines(lines) -> None     the same for many: a call a line costs more than most lines do
sanitise(text) -> str          control and format characters as \\x1b, \\u202e; tabs stay
cell(value) -> str             one value as plain text: sanitised, tabs escaped, None is empty
json_text(value, indent=None)  JSON that is safe on a terminal and equal to the value
note(message) -> None          one line to stderr, silent with --quiet in the context
fail(code, message, next_step=None, exit_code=1) -> NoReturn
style(text, **styles) -> str   click.style; echo and write_line strip it where colour is off
colour_allowed() -> bool       the decision for stdout, for a command that writes by itself
Errors of ours (GodotError, DeweyError, ClientError, ChildFailed) need no handling in a command:
they become one line and an exit code in `godot.cli._group`, by the table in `_errors`.
Exit codes: OK FAILURE USAGE UNREACHABLE FOUND UNCONFIRMED INTERRUPTED.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import click

from godot.cli._errors import (
    FAILURE,
    FOUND,
    INTERRUPTED,
    OK,
    UNCONFIRMED,
    UNREACHABLE,
    USAGE,
    fail,
)
from godot.cli._form import (
    FORMATS,
    color_option,
    colour_allowed,
    decide_colour,
    default_output,
    output_options,
    style,
)
from godot.cli._text import cell, json_text, sanitise, width

__all__ = [
    "FAILURE",
    "FORMATS",
    "FOUND",
    "INTERRUPTED",
    "OK",
    "UNCONFIRMED",
    "UNREACHABLE",
    "USAGE",
    "aligned",
    "cell",
    "color_option",
    "colour_allowed",
    "decide_colour",
    "default_output",
    "emit_document",
    "emit_rows",
    "fail",
    "json_text",
    "note",
    "output_options",
    "sanitise",
    "style",
    "write_line",
    "write_lines",
]

HELD_LINES = 500  # that a line waits for at most
HELD_S = 0.1


def note(message: str) -> None:
    """Tell a person something that is not data; where stderr takes nothing, go on without."""
    context = click.get_current_context(silent=True)
    if context is None or not (context.find_root().params.get("quiet")):
        try:
            click.echo(message, err=True)
        except OSError:  # what was asked for succeeds or fails by itself
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # to the end


def write_line(text: str, *, exact: bool = False) -> None:
    """Write one line to stdout, without colour where there is to be none.

    Nothing is taken out of an `exact` one: what looks like a colour there is data.
    """
    click.echo(text, color=True if exact else None)


def write_lines(lines: Iterable[str], *, exact: bool = False) -> None:
    """Write lines to stdout as they come, those that come quickly with one call."""
    held: list[str] = []
    due = time.monotonic() + HELD_S
    try:
        for line in lines:
            held.append(line)
            if len(held) == HELD_LINES or time.monotonic() >= due:
                ready, held = held, []  # before: who is interrupted in writing must not repeat it
                write_line("\n".join(ready), exact=exact)
                due = time.monotonic() + HELD_S
    finally:  # what came before an error is data all the same
        if held:
            write_line("\n".join(held), exact=exact)


def emit_rows(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str],
    *,
    output: str,
    schema: str = "godot.rows/1",
    truncated: bool = False,
    numbers: Collection[str] = (),
    header: bool = True,
    fit: bool = False,
    **about: object,
) -> None:
    """Write rows in the form asked for; `about` (next_cursor, matched …) joins a JSON document.

    Without `header` they go on where rows of the same columns ended.
    """
    if output == "json":
        document = {
            "schema": schema,
            "generated_at": _now(),
            "truncated": truncated,
            **about,
            "items": list(rows),
        }
        write_line(json_text(document, indent=2))
        return
    lines = _lines(rows, columns, output, numbers, header=header, fit=fit)
    write_lines(lines, exact=output == "csv")


def _lines(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str],
    output: str,
    numbers: Collection[str],
    *,
    header: bool,
    fit: bool,
) -> Iterator[str]:
    if output == "text":
        for line in aligned(rows, columns, numbers):
            yield _fitting(line) if fit else line
    elif output == "csv":
        yield from _csv_lines(rows, columns, header)
    elif output == "jsonl":
        for row in rows:
            yield json_text(dict(row))
    else:
        for row in rows:
            yield "\t".join([cell(row.get(name)) for name in columns])


def _fitting(line: str) -> str:
    from godot.cli._table import cut, screen_width  # help needs neither

    return cut(line, screen_width())


def aligned(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str], numbers: Collection[str]
) -> Iterator[str]:
    """Yield a table's lines, its head first."""
    table = [[name.replace("_", "-").upper() for name in columns]]
    table += [
        [_figure(row.get(name)) if name in numbers else cell(row.get(name)) for name in columns]
        for row in rows
    ]
    columns_wide = [max(map(width, column)) for column in zip(*table, strict=True)]
    for texts in table:
        padded = []
        for name, text, wide in zip(columns, texts, columns_wide, strict=True):
            blanks = " " * (wide - width(text))
            padded.append(blanks + text if name in numbers else text + blanks)
        yield "  ".join(padded).rstrip()


def _figure(value: object) -> str:
    """Return a number for a person; what is not known is no 0."""
    if value is None:
        return "?"
    return f"{value:,}" if isinstance(value, int) else cell(value)


def _csv_lines(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str], header: bool
) -> Iterator[str]:
    import csv
    import io

    on_terminal = sys.stdout.isatty()
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # what it ends lines with, it quotes: line ends in text need that
    for values in _csv_rows(rows, columns, header):
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([sanitise(value) for value in values] if on_terminal else values)
        yield buffer.getvalue().removesuffix("\r\n")


def _csv_rows(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str], header: bool
) -> Iterator[list[str]]:
    if header:
        yield list(columns)
    for row in rows:
        values = (row.get(name) for name in columns)
        yield [value if isinstance(value, str) else cell(value) for value in values]


def emit_document(
    document: Mapping[str, object],
    lines: Iterable[str],
    *,
    output: str,
    schema: str = "godot.document/1",
) -> None:
    """Write one answer: the lines on a terminal, the mapping in every other form."""
    if output == "text":
        for line in lines:
            write_line(line)
    elif output == "plain":
        for key, value in _flat(document):
            write_line(f"{cell(key)}\t{cell(value)}")
    elif output == "csv":
        emit_rows([dict(_flat(document))], [key for key, _ in _flat(document)], output="csv")
    else:
        whole = {"schema": schema, "generated_at": _now(), **document}
        write_line(json_text(whole, indent=2 if output == "json" else None))


def _flat(document: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
