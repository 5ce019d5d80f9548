"""What has to be done now and then, by one process at a time: partitions made, sealed and dropped.

Nothing here may hold writers or readers up: partitions.py and sealing.py say how that goes without
a lock that anybody notices, and merging only deletes rows of long ago and inserts their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import LiteralString, NamedTuple

from dewey_logs import partitions
from dewey_logs.database import connect, conninfo, errors_translated
from dewey_logs.errors import DeweyError
from dewey_logs.layout import AS_BEFORE, Layout
from dewey_logs.sealing import Sealed, choose, seal
from dewey_logs.statements import statement

EVERY_S = 3600.0
TEND_EVERY_S = 60.0
SHOWN = 1_000
MOVED_BLOCKS = 100  # about 15,000 ids: a writer that has one of them again waits for no more


class Maintained(NamedTuple):
    """What a run did: names of partitions and indexes, and how many rows merging has saved."""

    made: list[str]
    dropped: list[str]
    merged: int
    indexed: list[str]
    vacuumed: list[str]


class Difference(NamedTuple):
    """Where the rollups of a minute or an hour are not what a recount finds."""

    at: str
    what: str
    told: int
    found: int


def maintain(
    owner_url: str,
    retention_days: int,
    retention_bytes: int | None = None,
    layout: Layout = AS_BEFORE,
) -> Maintained:
    """Do everything once, as the owner; safe from many processes at a time.

    What one step cannot do holds no other up: the first error is raised after all of them, as
    Unavailable or SchemaProblem.
    """
    made: list[str] = []
    dropped: list[str] = []
    merged: list[int] = []
    sealed: list[Sealed] = []
    steps: tuple[Callable[[], object], ...] = (
        lambda: choose(owner_url, layout),
        lambda: dropped.extend(partitions.drop_expired(owner_url, retention_days, retention_bytes)),
        lambda: forget(owner_url, retention_days),  # before a day that is gone is made again
        lambda: made.extend(partitions.ensure(owner_url, retention_days)),
        lambda: merged.append(merge_ledger(owner_url)),
        lambda: merged.append(merge_rollups(owner_url)),
        lambda: sealed.append(seal(owner_url)),
    )
    failed: DeweyError | None = None
    for step in steps:
        try:
            step()
        except DeweyError as exc:
            failed = failed or exc
    if failed is not None:
        raise failed
    return Maintained(made, dropped, sum(merged), *sealed[-1])


def tend(owner_url: str) -> Sealed:
    """Do what cannot wait an hour.

    That is to take back what cannot be written to, to sum up counts, which queries add up, and to
    seal.
    """
    partitions.take_back(owner_url)
    merge_rollups(owner_url)
    return seal(owner_url)


def merge_ledger(owner_url: str) -> int:
    """Merge ledger rows that can tell nothing new any more; return how many rows are fewer now.

    Two million rows take about ten seconds the first time, later runs an hour's rows.
    """
    return _merge(owner_url, "merge_ledger")


def merge_rollups(owner_url: str) -> int:
    """Sum up what several batches counted of the same; return how many rows are fewer now."""
    return _merge(owner_url, "merge_rollups")


def _merge(owner_url: str, name: LiteralString) -> int:
    """Run a merging statement; whoever finds another process merging does nothing."""
    with connect(conninfo(owner_url, "dewey-merge")) as connection, errors_translated(connection):
        taken = connection.execute(statement("take_merging")).fetchone()
        if taken is None or not taken[0]:
            return 0
        with connection.transaction():
            # what is summed up and what is deleted have to be the same rows
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            row = connection.execute(statement(name)).fetchone()
    assert row is not None
    return int(row[0])


def forget(owner_url: str, retention_days: int) -> None:
    """Remove what is told of days that are gone; after `partitions.drop_expired`."""
    with (
        connect(conninfo(owner_url, "dewey-retention")) as connection,
        errors_translated(connection),
    ):
        connection.execute(statement("wait_for_merging"))  # what is merged meanwhile would stay
        connection.execute(statement("forget_rollups"), {"days": retention_days})
        connection.execute(statement("leave_merging"))
        connection.execute(statement("forget_patterns"), {"days": retention_days})
        row = connection.execute(statement("moved_blocks")).fetchone()
        assert row is not None
        for first in range(0, row[0], MOVED_BLOCKS):
            stretch = {"first": f"({first},0)", "end": f"({first + MOVED_BLOCKS},0)"}
            connection.execute(statement("forget_moved"), {"days": retention_days, **stretch})


def verify(url: str) -> Iterator[Difference]:
    """Recount every partition against its rollups, oldest first; yield where they differ.

    Reads every record: about two seconds a million. Both are read in one snapshot for each
    partition, so that traffic makes no difference.
    """
    parts = partitions.partitions(url)
    with connect(conninfo(url, "dewey-verify")) as connection, errors_translated(connection):
        for part in parts:
            parameters = {"since": part.low, "until": part.high, "rows": SHOWN}
            for row in connection.execute(statement("recount"), parameters):
                yield Difference(*row)
