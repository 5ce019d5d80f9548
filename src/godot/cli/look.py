"""LOOK: what has arrived, what is arriving, and whether it arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._output import (
    UNREACHABLE,
    USAGE,
    emit_document,
    fail,
    note,
    output_options,
    sanitise,
)
from godot.cli._records import filter_options, search_filter, search_options, show_records

if TYPE_CHECKING:
    from contextlib import ExitStack

    from dewey_logs import LogFilter, LogRecordView, Page, Store
    from godot.settings import Settings

FOLLOW_MS = 1_000
RETRY_S = 1.0
PAGE = 1_000  # what the store gives at a time


@click.command(
    cls=Command,
    examples="""
    godot tail                                the last 20 records
    godot tail -f -l warn -c "api.*"          follow warnings and errors of some components
    godot tail -f -n 0 -o jsonl | jq .        only what comes from now on, as JSON lines
    """,
)
@click.argument("text", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what arrives, until Ctrl-C.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 1000), default=20, show_default=True,
    help="How many of the newest to begin with.",
)  # fmt: skip
@filter_options
@output_options
def tail(
    text: str | None,
    follow: bool,
    lines: int,
    level: str | None,
    component: tuple[str, ...],
    trace_id: str | None,
    data: dict[str, object],
    where: tuple[str, ...],
    output: str,
) -> None:
    """Show the newest records, the oldest of them first; -f goes on with what arrives. [read]

    TEXT keeps only messages that contain it, in any case. Records that are not stored yet are shown
    too. Without a store, history is what the stream still holds.
    """
    from dewey_logs import LogFilter, narrowed
    from godot.settings import load

    if follow and output == "json":
        fail("GD-1004", "-f never ends, a JSON document does", "use -o jsonl", USAGE)
    wanted = LogFilter(
        level=level,
        component=component,
        trace_id=trace_id,
        contains=text,
        data=data or None,
        limit=lines,
    )
    wanted = narrowed(" ".join(where), wanted)
    show_records(_tailed(load(), wanted, follow), output)


def _tailed(settings: Settings, wanted: LogFilter, follow: bool) -> Iterator[LogRecordView]:
    """Yield history, then what arrives; where one of the two servers is away, the other does."""
    from contextlib import ExitStack

    from godot.errors import StreamUnavailable
    from godot.tail import Tail

    with ExitStack() as open_things:
        store = _answering_store(settings, open_things)
        try:
            tail = open_things.enter_context(Tail(settings, store, wanted))
            history = tail.history()
        except StreamUnavailable as exc:
            if follow or store is None:
                raise
            note(f"showing what is stored: {exc}")
            yield from reversed(store.query(wanted).rows)
            return
        yield from history
        told = 0
        while True:
            if tail.undecodable > told:
                note(f"{tail.undecodable - told} entries are no records and are not shown")
                told = tail.undecodable
            if not follow:
                return
            try:
                yield from tail.live(FOLLOW_MS)
            except StreamUnavailable as exc:
                note(f"{exc}; trying again")
                time.sleep(RETRY_S)


def _answering_store(settings: Settings, open_things: ExitStack) -> Store | None:
    """Return the store, or None when there is none or it is away: then the stream has to do."""
    from dewey_logs import Unavailable, open_store

    if settings.dewey_url is None:
        return None
    store = open_things.enter_context(
        open_store(
            settings.dewey_url,
            reader_url=settings.dewey_reader_url,
            token=settings.dewey_token,
        )
    )
    try:
        store.window()
    except Unavailable as exc:
        note(f"showing what the stream still holds: {exc}")
        return None
    return store


@click.command(
    cls=Command,
    examples="""
    godot query "card declined" --since 1h    words, all of them; "a phrase", -not, OR
    godot query -l error -c "shop.*" -n 20    the newest 20 errors of some components
    godot query -t 4bf92f35 --asc -o jsonl    one trace in order, as JSON lines
    godot query -w 'data.order>8000 -retry'   terms as text, as in the tools
    """,
)
@search_options
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@click.option("--cursor", metavar="CURSOR", help="Go on where another answer ended.")
@click.option("--asc", is_flag=True, help="Oldest first.")
@output_options
def query(limit: int, cursor: str | None, asc: bool, output: str, **filters: Any) -> None:
    """Find stored records, newest first. [read]

    TEXT is what to search for in messages. Every filter narrows the rest.
    """
    from dewey_logs import open_store
    from godot.errors import StoreUnavailable
    from godot.settings import load

    settings = load()
    if settings.dewey_url is None:
        raise StoreUnavailable("there is no store: DEWEY_URL is not set and no stack runs here")
    wanted = search_filter(
        **filters,
        limit=limit,
        cursor=cursor,
        order="asc" if asc else "desc",
    )
    with open_store(
        settings.dewey_url,
        reader_url=settings.dewey_reader_url,
        token=settings.dewey_token,
    ) as store:
        page = _page_of(store, wanted)
    show_records(
        page.rows,
        output,
        truncated=page.truncated,
        next_cursor=page.next_cursor,
        matched=page.matched,
        matched_capped=page.matched_capped,
    )
    note(_showing(page, wanted.order))


def _page_of(store: Store, wanted: LogFilter) -> Page:
    """Return up to the limit of records, which may be more than the store gives at a time."""
    from msgspec.structs import replace

    page = store.query(replace(wanted, limit=min(PAGE, wanted.limit)))
    while page.truncated and page.returned < wanted.limit:
        if page.scan_incomplete:
            note(f"read as far as {page.scanned_to} so far, {page.returned:,} found")
        rest = min(PAGE, wanted.limit - page.returned)
        more = store.query(replace(wanted, cursor=page.next_cursor, limit=rest))
        page = replace(
            more,
            rows=page.rows + more.rows,
            returned=page.returned + more.returned,
            took_ms=page.took_ms + more.took_ms,
        )
    if not page.truncated and wanted.cursor is None:  # all of it, of which a first page knew less
        page = replace(page, matched=page.returned, matched_capped=False)
    return page


def _showing(page: Page, order: str) -> str:
    order = "oldest first" if order == "asc" else "newest first"
    matched = f"{page.matched:,}"
    if page.matched_capped:
        matched = f"{max(page.matched, page.returned):,} or more"
    text = f"showing {page.returned:,} of {matched} ({order}, {page.took_ms:,.0f} ms)"
    if page.truncated:
        text += f"; more: --cursor {page.next_cursor} or a larger -n"
    return text


@click.command(
    cls=Command,
    examples="""
    godot status                              one screen
    godot status -o json | jq .group          for a script
    godot status || echo "something is away"  exit code 3: a server cannot be reached
    """,
)
@output_options
@click.pass_context
def status(context: click.Context, output: str) -> None:
    """Show whether records arrive: stream, group, store, producers. [read]"""
    from godot import snapshot
    from godot.settings import load
    from godot.status import as_document, as_lines

    found = snapshot.take(load())
    lines = map(sanitise, as_lines(found))
    emit_document(as_document(found), lines, output=output, schema="godot.status/1")
    for problem in found.problems:
        note(sanitise(problem))
    if found.problems:
        context.exit(UNREACHABLE)
