"""OPERATE: what is not as it should be, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._output import (
    FAILURE,
    FOUND,
    USAGE,
    emit_rows,
    fail,
    note,
    output_options,
    sanitise,
    style,
    write_line,
)
from godot.cli._table import screen_width

if TYPE_CHECKING:
    from godot.doctor import Result

COLUMNS = ("code", "outcome", "text", "next_step")
MARKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ok": ("✓", {"fg": "green"}),
    "warning": ("!", {"fg": "yellow"}),
    "failed": ("✗", {"fg": "red"}),
    "unknown": ("?", {"dim": True}),
}
INDENT = " " * len("✓ GD-5001  ")


@click.command(
    cls=Command,
    examples="""
    godot doctor                              look at everything; exit code 4: something is wrong
    godot doctor --only GD-5011 --only 5012   some things alone
    godot doctor --bundle report.tar.gz       for whoever helps: no secrets, contents listed first
    """,
)
@click.option("--only", multiple=True, metavar="CODE", help="Only what has this code; repeatable.")
@click.option(
    "--bundle", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Also write what was found, settings and our own logs into a new .tar.gz.",
)  # fmt: skip
@output_options
@click.pass_context
def doctor(context: click.Context, only: tuple[str, ...], bundle: Path | None, output: str) -> None:
    """Look at all that records depend on: servers, rights, clocks, disks, schema, workers. [read]

    Each line has a code, which `godot explain` explains, and the next step.
    """
    from godot.doctor import examine
    from godot.settings import load

    settings = load()
    wanted = {f"GD-{code.upper().removeprefix('GD-')}" for code in only}
    found: list[Result] = []
    results = _kept(examine(settings), wanted, found)
    if output == "text":
        for result in results:
            for line in _lines(result):
                write_line(line)
    else:
        rows = ({name: getattr(one, name) for name in COLUMNS} for one in results)
        emit_rows(rows, COLUMNS, output=output, schema="godot.doctor/1")
    if wanted and not found:
        codes = ", ".join(sorted(wanted))
        fail("GD-1006", f"nothing is looked at under {codes}", "see: godot doctor", USAGE)
    note(_summary(found))
    if bundle is not None:
        _write_bundle(bundle, found)
    if any(one.outcome in ("failed", "warning") for one in found):
        context.exit(FOUND)


def _kept(results: Iterable[Result], wanted: set[str], found: list[Result]) -> Iterator[Result]:
    """Yield the results that are wanted, and keep them."""
    for result in results:
        if not wanted or result.code in wanted:
            found.append(result)
            yield result


def _lines(result: Result) -> Iterator[str]:
    mark, look = MARKS[result.outcome]
    room = screen_width() - len(INDENT)
    first, *more = wrap(
        sanitise(result.text), room, break_on_hyphens=False, break_long_words=False
    ) or [""]
    yield f"{style(mark, **look)} {result.code}  {first}"
    yield from (INDENT + line for line in more)
    if result.next_step and result.outcome != "ok":
        yield f"{INDENT}next: {sanitise(result.next_step)}"


def _summary(found: list[Result]) -> str:
    from godot.wording import count

    counts = {name: sum(one.outcome == name for one in found) for name in MARKS}
    warnings = count(counts["warning"], "warning")
    parts = [f"{counts['failed']} failed", warnings, f"{counts['ok']} passed"]
    if counts["unknown"]:
        parts.append(f"{counts['unknown']} could not be looked at")
    return ", ".join(parts)


def _write_bundle(path: Path, found: list[Result]) -> None:
    from godot import bundle
    from godot.cli.operate import versions
    from godot.settings import load

    files = bundle.contents(load(), found, versions())
    for name, content in files.items():
        note(f"  {name}  {len(content):,} bytes")
    try:
        bundle.write(path, files)
    except FileExistsError:
        fail("GD-4010", f"{path} is there already", "choose another name", FAILURE)
    note(f"{path}: {len(files)} files, without passwords and tokens")
