"""Verbs that change something: they show what they would do, and do it when told to.

With --yes at once; on a terminal after a question; anywhere else not at all, with exit code 5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from godot.cli._output import UNCONFIRMED, emit_document, note, sanitise

SAY_EVERY_S = 10.0


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --yes and --no-input; the command receives `yes` and `no_input`."""
    ask = click.option("--no-input", is_flag=True, help="Never ask; without --yes do nothing.")
    return click.option("-y", "--yes", is_flag=True, help="Do it.")(ask(command))


def confirmed(
    plan: Mapping[str, object],
    lines: Iterable[str],
    *,
    yes: bool,
    no_input: bool,
    output: str,
    schema: str,
) -> bool:
    """Show the plan and say whether to carry it out; ends the command with exit code 5 if not.

    With `yes` the plan goes to stderr, as stdout is for the result.
    """
    if yes:
        for line in lines:
            note(line)
        return True
    asking = not no_input and sys.stdin.isatty() and sys.stderr.isatty()
    if asking:
        for line in lines:
            note(line)
        if click.confirm("Do it?", err=True):
            return True
    else:
        emit_document({"done": False, **plan}, lines, output=output, schema=schema)
        note("nothing done yet: run again with --yes")
    raise click.exceptions.Exit(UNCONFIRMED)


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[int], None]]:
    """Give what shows progress on stderr: a bar on a terminal, a line now and then elsewhere.

    `total` is None where nobody knows it: then there is data on stdout while it goes on, and no bar
    where that is the same terminal. What goes wrong on the way is told beside it.
    """
    from godot import logs

    with logs.spoken(lambda text: note(sanitise(text))), _shown(total, what) as advance:
        yield advance


@contextmanager
def _shown(total: int | None, what: str) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty() or (total is None and sys.stdout.isatty()):
        yield _spoken(total, what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total)
        yield lambda done: bars.advance(task, done)


def _spoken(total: int | None, what: str) -> Callable[[int], None]:
    so_far, next_at = 0, time.monotonic() + SAY_EVERY_S

    def advance(done: int) -> None:
        nonlocal so_far, next_at
        so_far += done
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + SAY_EVERY_S
            note(f"{what}: {so_far:,}" + ("" if total is None else f" of {total:,}"))

    return advance
