"""What is measured of the store every few seconds: nothing that grows with its records.

Sizes are those of files, records are PostgreSQL's estimate, times come from the ends of an index.
Only open dead letters are counted, up to a limit. What remains grows with the number of partitions.
"""

from __future__ import annotations

import msgspec

from dewey_logs.database import Connection
from dewey_logs.statements import statement

MAX_LETTERS = 10_000


class Measures(msgspec.Struct, frozen=True):
    """The store at one moment; times are seconds since 1970, None where there is nothing to tell.

    `records` is an estimate. `horizon` is the first moment from now on that no partition is there
    for. `dead_letters` are the open ones, 10,000 at most.
    """

    records: int
    table_bytes: int
    index_bytes: int
    partitions: int
    horizon: float
    oldest: float | None
    newest: float | None
    dead_letters: int
    oldest_dead_letter: float | None


def measures(connection: Connection) -> Measures:
    """Measure; a few milliseconds, and more with hundreds of partitions."""
    row = connection.execute(statement("measures"), {"letters": MAX_LETTERS}).fetchone()
    assert row is not None
    return Measures(*row)
