"""OPERATE: what the configured servers take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import FAILURE, emit_rows, note, output_options, sanitise
from godot.cli._plan import confirmed, plan_options, progress

if TYPE_CHECKING:
    from godot.bench import Figure

SCHEMA = "godot.bench/1"
COLUMNS = ("what", "times", "per_s", "p50_ms", "p99_ms", "incomplete")
ON_A_SCREEN = ("what", "times", "a_second", "p50", "p99")


@click.command(
    cls=Command,
    examples="""
    godot bench                               what it would do; nothing is done yet
    godot bench --yes                         measure with 10,000 records
    godot bench --records 100000 --yes -o json > today.json
    """,
)
@click.option(
    "--records", type=Whole(1_000, 1_000_000), default=10_000, show_default=True,
    metavar="N", help="How many of about 300 bytes.",
)  # fmt: skip
@plan_options
@output_options
@click.pass_context
def bench(context: click.Context, records: int, yes: bool, no_input: bool, output: str) -> None:
    """Measure what the configured servers take: append, store, find, remove. [write]

    Records of its own go through a stream of their own into the log, as a worker would store them,
    and are removed again. What else the servers do meanwhile counts: that is what they take here.
    """
    from godot.bench import Trial
    from godot.cli._store import myself, opened
    from godot.settings import load

    settings = load()
    with opened(settings) as store:
        trial = Trial(settings, store, records)
        trial.check()
        about: dict[str, Any] = {
            "records": records,
            "stream": trial.stream,
            "component": trial.component,
        }
        lines = [
            f"{records:,} records through {sanitise(trial.stream)} into the log, and out again",
            f"until then queries find them, as component {trial.component}",
            "the log keeps a record of their removal, as of any clear",
        ]
        confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema=SCHEMA)
        try:
            with progress(trial.steps, "measuring") as advance:
                figures = trial.run(advance, myself("godot bench"))
        finally:
            for what in trial.left:
                note(f"not removed: {sanitise(what)}")
    emit_rows(
        [(_text if output == "text" else _row)(one) for one in figures],
        ON_A_SCREEN if output == "text" else COLUMNS,
        output=output,
        schema=SCHEMA,
        numbers=ON_A_SCREEN[1:],
        done=True,
        **about,
    )
    for one in figures:
        if one.incomplete:
            note(f"{one.what}: {one.incomplete} of {one.times} answers were cut by the time limit")
    if trial.left:
        context.exit(FAILURE)


def _row(one: Figure) -> dict[str, object]:
    return {
        "what": one.what,
        "times": one.times,
        "per_s": round(one.per_s, 1),
        "p50_ms": round(one.p50_ms, 3),
        "p99_ms": round(one.p99_ms, 3),
        "incomplete": one.incomplete,
    }


def _text(one: Figure) -> dict[str, object]:
    return {
        "what": one.what,
        "times": one.times,
        "a_second": round(one.per_s),
        "p50": f"{one.p50_ms:,.2f} ms",
        "p99": f"{one.p99_ms:,.2f} ms",
    }
