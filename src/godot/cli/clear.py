"""REPAIR: removing stored records by a filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from godot.cli._filters import search_filter, search_options
from godot.cli._group import Command
from godot.cli._output import emit_document, output_options, sanitise
from godot.cli._plan import confirmed, plan_options, progress

if TYPE_CHECKING:
    from dewey_logs import ClearPlan

SCHEMA = "godot.clear/1"
SHOWN_COMPONENTS = 10


@click.command(
    cls=Command,
    examples="""
    godot clear -c "noise.*"                  what it would remove; nothing is done yet
    godot clear "health check" -s 2d --yes    records of two days that have these words
    godot clear --until 2d --yes              what is older than two days
    """,
)
@search_options
@click.option("--all", "everything", is_flag=True, help="Every record there is.")
@plan_options
@output_options
def clear(everything: bool, yes: bool, no_input: bool, output: str, **filters: Any) -> None:
    """Remove the stored records that match; the log keeps a record of it. [destroys]

    Filters are those of query, so --level removes that level and everything above it. What arrives
    meanwhile stays, and so does what is not stored yet. A replay does not bring back what is gone.
    """
    from godot.cli._store import myself, opened
    from godot.settings import load
    from godot.wording import count

    if any(filters.values()) == everything:
        raise click.UsageError("say which: either filters, or --all")
    with opened(load()) as store:
        plan = store.plan_clear(search_filter(**filters), everything=everything)
        about = _about(plan)
        if plan.exact and not plan.records:
            emit_document(
                {"done": True, **about}, ["no record matches"], output=output, schema=SCHEMA
            )
            return
        lines = list(_lines(plan))
        confirmed(about, lines, yes=yes, no_input=no_input, output=output, schema=SCHEMA)
        with progress(plan.records, "clearing") as advance:
            done = store.clear(
                plan.filter, asked_by=myself("godot clear"), everything=everything, progress=advance
            )
    emit_document(
        {"done": True, "id": done.id, "records": done.records, "partitions": list(done.partitions)},
        [f"{count(done.records, 'record')} removed; see: godot query -c dewey"],
        output=output,
        schema=SCHEMA,
    )


def _about(plan: ClearPlan) -> dict[str, object]:
    return {
        "records": plan.records,
        "exact": plan.exact,
        "components": dict(plan.components),
        "levels": dict(plan.levels),
        "oldest": plan.oldest,
        "newest": plan.newest,
        "partitions": list(plan.partitions),
    }


def _lines(plan: ClearPlan) -> Iterator[str]:
    from godot.wording import count

    least = "" if plan.exact else "at least "
    yield f"{least}{count(plan.records, 'record')} to be removed"
    if plan.records:
        yield f"from {plan.oldest} to {plan.newest}"
    yield from _most(plan.components, "components")
    yield from _most(plan.levels, "levels")
    if plan.partitions:
        yield f"of these at once whole partitions: {', '.join(plan.partitions)}"


def _most(counts: Iterable[tuple[str, int]], what: str) -> Iterator[str]:
    found = list(counts)
    for name, n in found[:SHOWN_COMPONENTS]:
        yield f"  {n:,}  {sanitise(name)}"
    if len(found) > SHOWN_COMPONENTS:
        yield f"  and {len(found) - SHOWN_COMPONENTS:,} more {what}"
