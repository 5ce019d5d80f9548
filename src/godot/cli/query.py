"""LOOK: what is stored."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from godot.cli._filters import search_filter, search_options
from godot.cli._group import Command
from godot.cli._look import Look, look_options
from godot.cli._number import Whole
from godot.cli._output import FOUND, note, output_options
from godot.cli._plan import progress
from godot.cli._records import RecordWriter

if TYPE_CHECKING:
    from godot.pages import Answer

LIMIT, MOST = 200, 10_000


@click.command(
    cls=Command,
    examples="""
    godot query "card declined" --since 1h    words, all of them; "a phrase", -not, OR
    godot query -l error -c "shop.*" -n 20    the newest 20 errors of some components
    godot query -t 4bf92f35 --asc -o jsonl    one trace in order, as JSON lines
    godot query -w 'data.order>8000 -retry'   terms as text, as in the tools
    godot query --all -s today -o jsonl       every record of today, however many
    """,
)
@search_options
@click.option(
    "-n", "--limit", type=Whole(1, MOST), help="How many; default: 200."
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every record that matches.")
@click.option("--cursor", metavar="CURSOR", help="Go on where another answer ended.")
@click.option("--asc", is_flag=True, help="Oldest first.")
@click.option("--exit-code", is_flag=True, help="End with 4 when nothing is found.")
@look_options
@output_options
@click.pass_context
def query(
    context: click.Context,
    /,
    limit: int | None,
    everything: bool,
    cursor: str | None,
    asc: bool,
    exit_code: bool,
    look: Look,
    output: str,
    **filters: Any,
) -> None:
    """Find stored records, newest first. [read]

    TEXT is what to search for in messages. Every filter narrows the rest.
    """
    from godot.cli._store import opened
    from godot.pages import Answer
    from godot.settings import load

    if everything and limit is not None:
        raise click.UsageError("say which: either --limit, or --all")
    wanted = search_filter(
        **filters, limit=limit or LIMIT, cursor=cursor, order="asc" if asc else "desc"
    )
    told = progress(None, "records read") if everything else nullcontext(lambda records: None)
    with opened(load()) as store, told as advance, RecordWriter(output, look) as writer:
        # the filter's text may have a limit, too
        answer = Answer(store, wanted, None if everything else wanted.limit)
        for batch in answer.batches():
            writer.write(batch)
            advance(len(batch))
            if answer.scanned_to is not None and answer.truncated:
                note(f"read as far as {answer.scanned_to} so far, {answer.returned:,} found")
        writer.about = {
            "truncated": answer.truncated,
            "next_cursor": answer.next_cursor,
            "matched": answer.matched,
            "matched_capped": answer.matched_capped,
        }
    note(_showing(answer, wanted.order))
    if exit_code and not answer.returned:
        context.exit(FOUND)


def _showing(answer: Answer, order: str) -> str:
    order = "oldest first" if order == "asc" else "newest first"
    matched = f"{answer.matched:,}"
    if answer.matched_capped:
        matched = f"{max(answer.matched, answer.returned):,} or more"
    text = f"showing {answer.returned:,} of {matched} ({order}, {answer.took_ms:,.0f} ms)"
    if answer.truncated:
        text += f"; more: --cursor {answer.next_cursor} or a larger -n"
    return text
