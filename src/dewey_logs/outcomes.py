"""What became of every number in a batch: the ledger's side of a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dewey_logs import ledger, ways
from dewey_logs.rows import Batch, LogRow, Reject


def settled(
    batch: Batch,
    placed: ways.Placed,
    expired: Sequence[LogRow],
    rejects: Sequence[Reject],
    gone: Collection[bytes],
    unkept: Collection[bytes],
) -> list[ledger.Entry]:
    """Return what became of every sequence number; what was known already counts as stored too.

    `unkept` are the rejects that a trigger of a user's kept from becoming dead letters.
    """
    letters = [
        *ledger.entries("rejected", [r for r in rejects if r.id not in unkept]),
        *ledger.entries("unkept", [r for r in rejects if r.id in unkept]),
    ]
    if len(placed.stored) == len(batch.rows):  # nearly always: all are new, and no two alike
        numbers = ledger.entries("stored", batch.rows)
        return [
            *numbers,
            *letters,
            *ledger.dropped_entries(batch.dropped),
        ]
    refused = rejects[len(batch.rejects) :]  # the batch's own never were rows, whatever their ids
    not_stored = {*gone, *(reject.id for reject in refused), *(row.id for row in expired)}
    stored = [row for row in batch.rows if row.id not in not_stored]
    cleared_rows = [row for row in batch.rows if row.id in gone] if gone else []
    new = {row.id for row in placed.stored}
    again = []
    for row in stored:
        if row.id in new:
            new.discard(row.id)  # a second copy inside the batch is a duplicate
        else:
            again.append(row)
    return [
        *ledger.entries("stored", stored),
        *ledger.entries("duplicate", again),
        *letters,
        *ledger.entries("expired", expired),
        *ledger.entries("cleared", cleared_rows),
        *ledger.dropped_entries(batch.dropped),
    ]
