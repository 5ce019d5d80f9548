"""What `logs` really holds, dug out of the record ids: the third witness of a deep audit.

The ledger says what was stored; here the rows themselves are asked. That reads every row (about a
microsecond each and more for sorting the numbers), so nothing but `godot audit --deep` does it.
"""

from __future__ import annotations

import msgspec

from dewey_logs.accounts import Range, ranges, snapshot
from dewey_logs.database import Connection
from dewey_logs.statements import statement


class Held(msgspec.Struct, frozen=True):
    """One producer's rows: how many, and which numbers are in them."""

    rows: int
    numbers: tuple[Range, ...]


class Contents(msgspec.Struct, frozen=True):
    """Rows and ledger of the same moment.

    `held`: producer → its rows. `stored`: producer → the numbers that the ledger calls stored.
    `foreign` counts rows without an id of ours. `complete` says that nothing can have been removed:
    there was no clear, and every day that could have held a record is still there. When it is
    False, rows that are missing may be retention's work, and nobody can tell.
    """

    held: dict[int, Held]
    stored: dict[int, tuple[Range, ...]]
    foreign: int
    complete: bool


def read(connection: Connection) -> Contents:
    """Read everything in one snapshot; gives up after 30 s."""
    with snapshot(connection):
        foreign = 0
        held = {}
        for producer, rows, numbers in connection.execute(statement("contents_rows")):
            if producer is None:
                foreign = rows
            else:
                held[producer] = Held(rows, ranges(numbers))
        stored = {
            producer: ranges(numbers)
            for producer, numbers in connection.execute(statement("contents_stored"))
        }
        row = connection.execute(statement("contents_complete")).fetchone()
    assert row is not None
    return Contents(held, stored, foreign, bool(row[0]))
