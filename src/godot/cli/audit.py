"""REPAIR: the proof that every record is accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from godot.cli._errors import fail
from godot.cli._group import Command
from godot.cli._output import FOUND, aligned, emit_rows, json_text, note, output_options, write_line
from godot.cli._times import moment

if TYPE_CHECKING:
    from godot.accounting import DeepAudit
    from godot.audit import Audit, EntriesAudit, LostRange, ProducerAudit, Totals

FEW = 20
SHOWN_RANGES = 20
NUMBERS = (
    *("announced", "stored", "duplicates", "rejected", "expired", "cleared", "dropped"),
    *("in_stream", "settling", "lost", "unaccounted", "implausible"),
)


@click.command(
    cls=Command,
    examples="""
    godot audit                               everything; exit code 4 when a record is missing
    godot audit --since 24h                   producers that were active since then
    godot audit --deep -o json | jq .total    count the stored rows as well
    """,
)
@click.option("-s", "--since", metavar="TIME", help="Only producers active since: 24h, today.")
@click.option(
    "-p", "--producer", metavar="PRODUCER", help="Only this one (hex as shown, or what begins so)."
)
@click.option("--deep", is_flag=True, help="Also hold the rows against the ledger; reads them all.")
@output_options
@click.pass_context
def audit(
    context: click.Context, since: str | None, producer: str | None, deep: bool, output: str
) -> None:
    """Prove that every record is stored, or say which are lost and why. [read]

    Each producer numbers its records, so a missing number is a lost record with a name. The stream
    counts its entries besides: what the two disagree by is unaccounted for, and must be 0.
    """
    from godot import accounting
    from godot.cli._store import opened
    from godot.settings import load
    from godot.stream.producers import is_named

    settings = load()
    since_at = None if since is None else moment("since", since)
    kept: set[str] | None = None
    compared: DeepAudit | None = None
    with opened(settings) as store:
        examined = accounting.examine(settings, store)
        found = examined.audit
        if since_at is not None or producer is not None:
            kept = {item.producer for item in found.producers}
            if since_at is not None:
                kept &= accounting.active_since(examined, store, since_at)
            if producer is not None:
                kept = {name for name in kept if is_named(name, producer)}
                if not kept:
                    fail(
                        "GD-1005",
                        f"no producer {producer!r} is known",
                        "see: godot producers --all",
                    )
            found = accounting.narrowed(found, kept)
        found = accounting.dated(found, store)
        if deep:
            compared = accounting.compare(store.contents(), kept)
    _show(found, compared, kept is not None, output)
    if not found.clean or (compared is not None and not compared.clean):
        context.exit(FOUND)


def _show(found: Audit, deep: DeepAudit | None, narrowed: bool, output: str) -> None:
    import msgspec

    if output == "json":
        document: dict[str, Any] = msgspec.to_builtins(found)
        document["clean"] = found.clean
        document["deep"] = None if deep is None else msgspec.to_builtins(deep)
        _write_document(document)
    elif output == "text":
        for line in _lines(found, deep, narrowed):
            write_line(line)
    else:
        rows = [_row(item) for item in found.producers]
        rows.append({"producer": "total", "component": None, **_numbers(found.total)})
        emit_rows(rows, ("producer", "component", *NUMBERS), output=output)
        for line in (*_range_lines(found.ranges), *_verdict(found, deep, narrowed)):
            note(line)


def _write_document(document: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    write_line(json_text({"schema": "godot.audit/1", "generated_at": now, **document}, indent=2))


def _numbers(totals: Totals) -> dict[str, object]:
    return {name: getattr(totals, name) for name in NUMBERS}


def _row(item: ProducerAudit) -> dict[str, object]:
    return {"producer": item.producer, "component": item.component, **_numbers(item.totals)}


def _wrong(item: ProducerAudit) -> bool:
    totals = item.totals
    return bool(totals.lost or totals.unaccounted or totals.implausible)


def _lines(found: Audit, deep: DeepAudit | None, narrowed: bool) -> Iterator[str]:
    """Yield the account for a person: few producers all, of many only those with a loss."""
    everybody = found.producers
    shown = everybody if len(everybody) <= FEW else [item for item in everybody if _wrong(item)]
    rows = [_row(item) for item in shown]
    rows.append({"producer": "total", "component": None, **_numbers(found.total)})
    quiet = {"expired", "cleared", "dropped", "settling", "implausible", "duplicates", "rejected"}
    columns = [
        name for name in NUMBERS if name not in quiet or any(row[name] for row in rows)
    ]  # fmt: skip
    yield from aligned(rows, ("producer", "component", *columns), columns)
    if len(shown) < len(everybody):
        yield f"{len(everybody) - len(shown):,} more producers have nothing missing"
    yield from _range_lines(found.ranges)
    yield from _verdict(found, deep, narrowed)


def _range_lines(ranges: Iterable[LostRange]) -> Iterator[str]:
    shown = list(ranges)
    for item in shown[:SHOWN_RANGES]:
        n = item.last - item.first + 1
        numbers = f"{item.first:,}" if n == 1 else f"{item.first:,} to {item.last:,}"
        between = ""
        if item.after or item.before:
            between = f", between {item.after or '?'} and {item.before or '?'}"
        yield f"lost: {n:,} of {item.producer}, {numbers} ({item.cause}){between}"
    if len(shown) > SHOWN_RANGES:
        yield f"lost: {len(shown) - SHOWN_RANGES:,} more ranges: -o json has them all"


def _verdict(found: Audit, deep: DeepAudit | None, narrowed: bool) -> Iterator[str]:
    yield _entries_line(found.entries, narrowed)
    by_number = sum(item.totals.lost for item in found.producers)
    if found.undecided:
        yield (
            f"{found.undecided:,} of the lost are among numbers that are settling as yet: which"
            " ones is told once nobody can have them in hand (twice GODOT_RECLAIM_IDLE_MS)"
        )
    without = found.total.lost - by_number - (0 if narrowed else found.undecided)
    if without > 0:
        yield (
            f"{without:,} of the lost entries carried no number that is "
            "missing: records of foreign producers, second copies, or numbers that are called"
            " dropped or stored without being so"
        )
    if found.total.dropped:
        yield (
            f"{found.total.dropped:,} were dropped before they were sent: so their producers'"
            " receipts claim, which nothing else can bear out"
        )
    if found.total.implausible:
        yield (
            f"{found.total.implausible:,} numbers are implausible: a damaged or forged id lies"
            " further ahead than everything ever added"
        )
    if deep is not None:
        yield from _deep_lines(deep)
    if found.clean:
        yield "every record is accounted for, none is lost"
    elif found.total.unaccounted:
        if passed := sum(item.totals.unaccounted for item in found.producers):
            yield (
                f"{passed:,} of the lost were passed over in the stream (by XGROUP SETID, XGROUP"
                " DELCONSUMER or a stranger's XACK, or the store is an older one, restored from a"
                " backup) and are there yet: `godot replay` stores them"
            )
        yield (
            f"{found.total.unaccounted:,} records are UNACCOUNTED for: numbers that no entry"
            " explains (never received, or forged), entries passed over, or a bug"
        )


def _entries_line(entries: EntriesAudit, narrowed: bool) -> str:
    whose = " (of all producers)" if narrowed else ""
    pending = ""
    if entries.lost_while_pending:
        pending = f", {entries.lost_while_pending:,} trimmed while pending"
    return (
        f"stream{whose}, read first: {entries.added:,} entries added"
        f" = {entries.settled:,} settled"
        f" + {entries.waiting:,} waiting + {entries.lost:,} lost{pending}"
    )


def _deep_lines(deep: DeepAudit) -> Iterator[str]:
    yield (
        f"rows: {deep.rows:,} with a number, {deep.foreign:,} foreign;"
        f" {deep.unexplained:,} that the ledger does not know, {deep.doubled:,} doubled"
    )
    if deep.missing and deep.complete:
        yield f"rows: {deep.missing:,} MISSING although nothing was ever removed"
    elif not deep.complete:
        yield (
            f"rows: {deep.missing:,} fewer than were stored; retention or a clear has removed days"
            " or records, so this cannot be exact"
        )
