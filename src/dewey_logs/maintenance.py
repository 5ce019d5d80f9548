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

    Two million rows take about half a minute the first time, later runs an hour's rows.
    """
    with connect(conninfo(owner_url, "dewey-merge")) as connection, errors_translated():
        merged = 0
        for name in ("merge_numbers", "merge_entries"):
            row = connection.execute(statement(name)).fetchone()
            assert row is not None
            merged += row[0]
    return merged
