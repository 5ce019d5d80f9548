"""What has to be done now and then, by one process at a time: days made and dropped, ledger merged.

Nothing here may hold writers or readers up: partitions.py says how days come and go without a lock
that anybody notices, and merging the ledger only deletes rows of long ago and inserts their sum.
"""

from __future__ import annotations

from typing import NamedTuple

from dewey_logs import partitions
from dewey_logs.database import connect, conninfo, errors_translated
from dewey_logs.statements import statement


class Maintained(NamedTuple):
    """What a run did: names of days, and how many rows the ledger has fewer."""

    made: list[str]
    dropped: list[str]
    merged: int


def maintain(owner_url: str, retention_days: int) -> Maintained:
    """Do everything once, as the owner; safe from many processes at a time.

    Raises Unavailable or SchemaProblem; what was done until then stays done.
    """
    return Maintained(
        partitions.ensure(owner_url, retention_days),
        partitions.drop_expired(owner_url, retention_days),
        merge_ledger(owner_url),
    )


def merge_ledger(owner_url: str) -> int:
    """Merge ledger rows that can tell nothing new any more; return how many rows are fewer now.

    Two million rows take about ten seconds the first time, later runs an hour's rows. Whoever finds
    another process merging does nothing.
    """
    with connect(conninfo(owner_url, "dewey-merge")) as connection, errors_translated():
        taken = connection.execute(statement("take_merging")).fetchone()
        if taken is None or not taken[0]:
            return 0
        with connection.transaction():
            # what is summed up and what is deleted have to be the same rows
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            row = connection.execute(statement("merge")).fetchone()
    assert row is not None
    return int(row[0])
