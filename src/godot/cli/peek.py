"""PIPELINE: entries of the stream as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from godot.cli._entries import entry_id, said
from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import emit_rows, fail, note, output_options, sanitise, write_line
from godot.cli._times import moment

if TYPE_CHECKING:
    from godot.peek import Seen

COLUMNS = ("id", "age_ms", "place", "refused", "bytes", "fields")


@click.command(
    cls=Command,
    examples="""
    godot peek                                the last ten entries, stored or not
    godot peek --undelivered --raw            what workers are given next, field by field
    godot peek 1795353551832-0 -o json        one entry, every byte of it
    """,
)
@click.argument("ids", nargs=-1, metavar="[ENTRY]...")
@click.option("--undelivered", is_flag=True, help="From the first one that no worker has had.")
@click.option("-s", "--since", metavar="TIME", help="From then on: 15m, today, or RFC 3339.")
@click.option("-n", "--limit", type=Whole(1, 1_000), default=10, show_default=True)
@click.option("--raw", is_flag=True, help="Every field on a line of its own.")
@output_options
def peek(
    ids: tuple[str, ...],
    undelivered: bool,
    since: str | None,
    limit: int,
    raw: bool,
    output: str,
) -> None:
    """Show entries as they stand in the stream, touching no group. [read]

    Each says where it is on its way (undelivered, pending, settled) and, where a worker would not
    take it, why. Entries are read whole: a small -n for large ones.
    """
    from godot import peek as look
    from godot.settings import load

    if bool(ids) + undelivered + (since is not None) > 1:
        raise click.UsageError("give ENTRY ids, or --undelivered, or --since")
    settings = load()
    if ids:
        found = look.named(settings, [entry_id(text) for text in ids])
    elif undelivered:
        found = look.undelivered(settings, limit)
    else:
        found = look.newest(settings, limit, None if since is None else moment("since", since))
    cut = not ids and len(found) == limit
    if output == "text":
        for line in _lines(found, raw):
            write_line(line)
    else:
        rows = map(_row, found)
        emit_rows(rows, COLUMNS, output=output, schema="godot.peek/1", truncated=cut)
    if len(found) < len(ids):
        fail(
            "GD-3001", f"{len(ids) - len(found)} of these entries are not in the stream (any more)"
        )
    if not found:
        note("nothing there")
    elif cut:
        note(f"showing {limit:,}; there may be more: a larger -n")


def _lines(found: list[Seen], raw: bool) -> Iterator[str]:
    from godot.wording import age

    for seen in found:
        head = f"{seen.entry.id}  {age(seen.age_ms):>9}  {seen.place:<11}"
        yield head.rstrip() if raw else f"{head}  {sanitise(said(seen.entry))}"
        if seen.refused is not None:
            yield f"    refused: {sanitise(seen.refused)}"
        if raw:
            parts = iter(seen.entry.raw)
            for name, value in zip(parts, parts, strict=True):
                yield f"    {_escaped(name)} = {_escaped(value)}"


def _escaped(raw: bytes) -> str:
    return sanitise(raw.decode("utf-8", "backslashreplace"))


def _row(seen: Seen) -> dict[str, object]:
    from godot.letters import as_text

    parts = iter(seen.entry.raw)
    return {
        "id": str(seen.entry.id),
        "age_ms": seen.age_ms,
        "place": seen.place,
        "refused": seen.refused,
        "bytes": seen.entry.size,
        "fields": [
            [as_text(name), as_text(value)] for name, value in zip(parts, parts, strict=True)
        ],
    }
