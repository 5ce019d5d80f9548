"""What became of which sequence numbers, as ranges.

A batch of one producer is a single range however many rows it has: ten million numbers are ten
thousand short rows. The ledger is a union of sets, so the same number may be written twice.
Maintenance merges what is older than an hour: see sql/migrations/0003_merging.sql.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from dewey_logs.database import Connection
from dewey_logs.rows import Batch, Dropped, EntryRun, LogRow, Reject, SetBack
from dewey_logs.statements import statement

Kind: TypeAlias = Literal[
    "stored", "duplicate", "rejected", "expired", "cleared", "dropped", "unkept"
]

LARGEST_SEQUENCE = 2**36 - 1  # the field inside a record id; a larger number belongs to no record


class DeliveredBefore(Exception):
    """Entries of a first delivery were settled as such before: the group began anew."""


class BelowBound(Exception):
    """Some entries lie below `bound`: what the ledger knew of that region is merged into a sum."""

    def __init__(self, bound: tuple[int, int]) -> None:
        super().__init__(bound)
        self.bound = bound


class Entry(NamedTuple):
    """One row of the ledger; `seqs` is the text of an int8multirange.

    `born_ms` is when the first of its numbers was given out, in Unix milliseconds, None where
    unknown: the first time, if one was given out twice.
    """

    producer: int
    kind: Kind
    seqs: str
    born_ms: int | None = None


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the inclusive ranges that hold exactly these numbers."""
    found: list[tuple[int, int]] = []
    ordered = sorted(set(numbers))
    if ordered and ordered[-1] - ordered[0] == len(ordered) - 1:
        return [(ordered[0], ordered[-1])]  # of one producer's batch, nearly always
    for number in ordered:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def entries(kind: Kind, records: Iterable[LogRow | Reject]) -> list[Entry]:
    """Return one ledger row for each producer of these records.

    Foreign records have no numbers: the ledger of entries accounts for them.
    """
    by_producer: defaultdict[int, list[LogRow | Reject]] = defaultdict(list)
    for record in records:
        if record.producer is not None and record.sequence is not None:
            by_producer[record.producer].append(record)
    return [
        Entry(
            producer,
            kind,
            _text(ranges([record.sequence for record in numbered if record.sequence is not None])),
            _ms(min([record.id for record in numbered])),
        )
        for producer, numbered in sorted(by_producer.items())
    ]


def _ms(id: bytes) -> int:
    """Return when a number was given out: a record's id begins with it."""
    return int.from_bytes(id[:6])


def dropped_entries(receipts: Iterable[Dropped]) -> list[Entry]:
    """Return the ledger rows of drop receipts.

    A receipt is what some client wrote: a range that no producer can have is left out.
    """
    found = []
    for receipt in receipts:
        plausible = [r for r in receipt.ranges if 0 < r[0] <= r[1] <= LARGEST_SEQUENCE]
        if plausible:
            found.append(Entry(receipt.producer, "dropped", _text(plausible)))
    return found


def redelivered(batch: Batch) -> Batch:
    """Return the batch with its first deliveries told entry by entry, as deliveries of known ones.

    After XGROUP DESTROY, or a group set back, the server delivers entries as if for the first time.
    Runs of theirs would overlap the earlier ones and their entries count twice; told singly, each
    counts once at most. And what was removed since it was settled must not come back.
    """
    known = {run.first for run in batch.runs if run.delivery == "again"}
    sources = (*(row.source for row in batch.rows), *(reject.source for reject in batch.rejects))
    known.update(_entry_id(source.entry) for source in sources)
    again = [EntryRun(entry, entry, 1, "again") for entry in sorted(known)]
    vanished = [run for run in batch.runs if run.delivery == "vanished"]
    return msgspec.structs.replace(batch, runs=(*again, *vanished), heed_clears=True)


def lies_below(batch: Batch, bound: tuple[int, int] | None) -> bool:
    """Say whether the batch settles entries below the bound."""
    return bound is not None and any(
        run.first < bound for run in batch.runs if run.delivery in ("new", "again")
    )


def late(
    connection: Connection,
    batch: Batch,
    bound: tuple[int, int] | None,
    stored: Iterable[LogRow],
    rejects: Sequence[Reject],
) -> Batch:
    """Return the batch with its entries below the bound told as late, where they are news.

    To be asked before anything of the batch but its rows is in the tables. `stored` are the rows
    really inserted, `rejects` all that will be dead letters. Without a bound it stays as it is.
    """
    if bound is None:
        return batch
    news = _news(connection, batch, stored, rejects)
    records: list[LogRow | Reject] = [*batch.rows, *batch.rejects]
    first = {_entry_id(record.source.entry) for record in records if record.id in news}
    told = redelivered(batch)
    runs = [run for run in told.runs if run.first >= bound or run.delivery == "vanished"]
    runs += [
        EntryRun(run.first, run.last, 1, "late")
        for run in told.runs
        if run.first < bound and run.delivery == "again" and run.first in first
    ]
    return msgspec.structs.replace(told, runs=tuple(runs))


def _news(
    connection: Connection, batch: Batch, stored: Iterable[LogRow], rejects: Sequence[Reject]
) -> set[bytes]:
    """Return the ids of records of which nobody has told before what became of them.

    Whoever held them slept for long. A peer may have settled their entries meanwhile, and then they
    are in the sum; or they were trimmed, and then nobody has. A row that was really inserted is
    news. A reject has no dead letter then, and a record of ours no number in the ledger: that tells
    of what expired or was cleared, too. Of such a foreign record nobody can tell: it is none.
    """
    found = {row.id for row in stored}
    numbered = (row for row in batch.rows if row.sequence is not None)
    asked: list[LogRow | Reject] = [*numbered, *rejects]
    others = {record.id: record for record in asked if record.id not in found}
    parameters = {
        "stream": batch.stream,
        "ids": [key.hex() for key in others],
        "producers": [record.producer for record in others.values()],
        "sequences": [record.sequence for record in others.values()],
    }
    rows = connection.execute(statement("never_told"), parameters)
    return found.union(key.bytes for (key,) in rows)


def _entry_id(text: str) -> tuple[int, int]:
    ms, _, seq = text.partition("-")
    return int(ms), int(seq)


def _text(inclusive: Iterable[tuple[int, int]]) -> str:
    return "{" + ",".join(f"[{first},{last}]" for first, last in inclusive) + "}"


def parameters(batch: Batch, numbers: Iterable[Entry]) -> dict[str, object]:
    """Return the parameters of the statement `settle`: columns as arrays, one row each."""
    rows = list(numbers)
    last_ms, last_seq = batch.last_generated or (None, None)
    first_ms, first_seq = batch.first_entry or (None, None)
    floor_ms, floor_seq = batch.floor or (None, None)
    runs = batch.runs
    return {
        "producers": [row.producer for row in rows],
        "kinds": [row.kind for row in rows],
        "seqs": [row.seqs for row in rows],
        "born_ms": [row.born_ms for row in rows],
        "ledger": batch.stream,
        "stream": batch.stream if runs or batch.entries_added is not None else None,
        "added": batch.entries_added,
        "last_ms": last_ms,
        "last_seq": last_seq,
        "first_ms": first_ms,
        "first_seq": first_seq,
        "present": batch.entries_present,
        "floor_ms": floor_ms,
        "floor_seq": floor_seq,
        "deliveries": [run.delivery for run in runs],
        "firsts_ms": [str(run.first[0]) for run in runs],
        "firsts_seq": [str(run.first[1]) for run in runs],
        "lasts_ms": [str(run.last[0]) for run in runs],
        "lasts_seq": [str(run.last[1]) for run in runs],
        "counts": [run.n for run in runs],
    }


def set_back(found: SetBack) -> dict[str, object]:
    """Return the parameters of the statement `set_back`."""
    ids = {"at": found.known.last, "low": found.low, "next": found.next, "now": found.now.last}
    return {
        "stream": found.stream,
        "known": found.known.added,
        "added": found.added,
        "now_added": found.now.added,
        **{f"{name}_ms": str(ms) for name, (ms, _) in ids.items()},
        **{f"{name}_seq": str(seq) for name, (_, seq) in ids.items()},
    }
