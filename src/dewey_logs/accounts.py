"""The ledger read back: what was settled, for the audit to hold against what was ever added.

Everything comes from one REPEATABLE READ snapshot. The union of a producer's ranges is made by
PostgreSQL (range_agg); 200,000 rows take about 0.3 s.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from dewey_logs.database import Connection
from dewey_logs.rows import EntryRun
from dewey_logs.statements import statement

Range = tuple[int, int]
_RANGE = re.compile(r"\[(\d+),(\d+)\)")


class Epoch(msgspec.Struct, frozen=True):
    """One life of a stream: what was added to it, what was settled of that.

    `settled` counts entries outside the region that was asked for; `vanished` those whose payload
    was trimmed while they were pending and that nobody settled. Of what lies before `bound` only
    these sums are left. `counted` entries had been added up to `last`, and at least `beyond` were
    settled or vanished after that. `began_ms` is when its first batch was committed. `taken` is how
    many it had had when it was set back to an older state, and counts no more.
    """

    number: int
    current: bool
    added: int
    last: tuple[int, int]
    settled: int
    vanished: int
    bound: tuple[int, int] = (0, 0)
    counted: int = 0
    beyond: int = 0
    began_ms: int = 0
    taken: int = 0


class Accounts(msgspec.Struct, frozen=True):
    """The ledger at one moment.

    `numbers`: producer → kind → inclusive ranges. `old`: producer → the highest number committed
    longer ago than the settling time. `before`: producer → the highest number committed, or sent,
    before the current epoch began, where there was another, or was set back. `runs` are those of
    the current epoch that reach into the region; it counts only what lies before. `strays` are runs
    in the region that are counted to an earlier epoch.
    """

    numbers: dict[int, dict[str, tuple[Range, ...]]]
    old: dict[int, int]
    epochs: tuple[Epoch, ...]
    runs: tuple[EntryRun, ...]
    before: dict[int, int] = {}
    strays: tuple[EntryRun, ...] = ()


class Neighbours(msgspec.Struct, frozen=True):
    """When the numbers beside a range were committed first: RFC 3339 UTC, None where unknown."""

    below: str | None
    above: str | None


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Give one moment to read from, and 30 s for each statement: more than a query may take."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SET LOCAL statement_timeout = '30s'")
        yield


def read(
    connection: Connection, stream: str, region: tuple[int, int], settling_seconds: float
) -> Accounts:
    """Read the ledger of one stream; `region` is the first entry id that still is in the stream."""
    with snapshot(connection):
        numbers: defaultdict[int, dict[str, tuple[Range, ...]]] = defaultdict(dict)
        old: dict[int, int] = {}
        before: dict[int, int] = {}
        for producer, kind, seqs, old_high, before_high in connection.execute(
            statement("account_numbers"), {"settling": settling_seconds, "stream": stream}
        ):
            numbers[producer][kind] = ranges(seqs)
            if old_high is not None:
                old[producer] = max(old.get(producer, 0), old_high)
            if before_high is not None:
                before[producer] = max(before.get(producer, 0), before_high)
        where = {"stream": stream, "ms": str(region[0]), "seq": str(region[1])}
        epochs = tuple(
            _epoch(*row) for row in connection.execute(statement("account_epochs"), where)
        )
        runs: dict[bool, list[EntryRun]] = {True: [], False: []}
        for current, delivery, a, b, c, d, n in connection.execute(
            statement("account_runs"), where
        ):
            runs[current].append(EntryRun((int(a), int(b)), (int(c), int(d)), n, delivery))
    return Accounts(dict(numbers), old, epochs, tuple(runs[True]), before, tuple(runs[False]))


def _epoch(
    number: int,
    current: bool,
    added: int,
    last_ms: int,
    last_seq: int,
    settled: int,
    vanished: int,
    bound_ms: int,
    bound_seq: int,
    counted: int,
    beyond: int,
    began_ms: int,
    taken: int,
) -> Epoch:
    """Make one of a row; ids are numeric in PostgreSQL."""
    last, bound = (int(last_ms), int(last_seq)), (int(bound_ms), int(bound_seq))
    sums = (settled, vanished, bound, counted, beyond)
    return Epoch(number, current, added, last, *sums, began_ms, taken)


def neighbours(
    connection: Connection, wanted: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int, int], Neighbours]:
    """Return when the numbers beside ranges (producer, first, last) were committed."""
    if not wanted:
        return {}
    producers, lows, highs = zip(*wanted, strict=True)
    parameters = {"producers": list(producers), "lows": list(lows), "highs": list(highs)}
    with snapshot(connection):
        rows = connection.execute(statement("account_neighbours"), parameters).fetchall()
    return {(producer, low, high): Neighbours(*times) for producer, low, high, *times in rows}


def active(connection: Connection, since: datetime) -> set[int]:
    """Return the producers of which anything was settled since then."""
    with snapshot(connection):
        rows = connection.execute(statement("active_producers"), {"since": since}).fetchall()
    return {producer for (producer,) in rows}


def balanced(
    connection: Connection, stream: str, sent: Mapping[int, int], silent_seconds: float
) -> frozenset[int]:
    """Return which of these producers of a stream owe nothing and were silent for so long.

    `sent`: producer → the highest number it announced. Who owes nothing has every number from 1 to
    there in the ledger.
    """
    parameters = {
        "stream": stream,
        "producers": list(sent),
        "sent": list(sent.values()),
        "silent": silent_seconds,
    }
    rows = connection.execute(statement("balanced_producers"), parameters)
    return frozenset(producer for (producer,) in rows)


def ranges(text: str) -> tuple[Range, ...]:
    """Read the text of an int8multirange: `{[1,5),[7,9)}` is ((1, 4), (7, 8))."""
    return tuple((int(low), int(high) - 1) for low, high in _RANGE.findall(text))
