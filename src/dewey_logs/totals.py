"""The size of the store, without counting it when it is large."""

from __future__ import annotations

from dewey_logs.database import Connection
from dewey_logs.rows import StoreTotals
from dewey_logs.statements import statement

EXACT_BELOW_BYTES = 64 * 2**20  # counting this much takes about 50 ms


def totals(connection: Connection) -> StoreTotals:
    """Return the totals; rows are counted while the store is small, and estimated afterwards."""
    row = connection.execute(statement("totals")).fetchone()
    assert row is not None
    estimate, size, partitions, rejected_open, oldest, newest = row
    exact = size < EXACT_BELOW_BYTES
    if exact:
        counted = connection.execute("SELECT count(*) FROM logs").fetchone()
        assert counted is not None
        estimate = counted[0]
    return StoreTotals(estimate, exact, size, oldest, newest, partitions, rejected_open)
