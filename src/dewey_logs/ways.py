"""The three ways of a batch's rows into `logs`, inside a transaction that someone else commits.

*Fresh*: COPY straight into the day. *Staged*: COPY into a temporary table, then INSERT … ON
CONFLICT DO NOTHING, about a quarter slower; for rows that may be stored already. *Isolated*:
staged, in halves, until the rows that PostgreSQL refuses stand alone.

A record is one row however often it is sent. Its own time is the same in every copy and makes the
unique key, unless the copy was moved to its entry's time: then `logs_moved` knows the id. The hard
case is one copy moved and the other not, in two workers at once. Each does its part in the order
that leaves no gap: the moved copy first takes the key that the other would have
(dewey_known_under), the other inserts first and looks into `logs_moved` last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from dewey_logs.copydata import RowRefused, copy_data
from dewey_logs.database import Connection
from dewey_logs.errors import Unclassified
from dewey_logs.isolate import isolate
from dewey_logs.owntime import own_time_us
from dewey_logs.rejects import reason_of, reject_of
from dewey_logs.rows import LogRow, Reject
from dewey_logs.sqlstates import Verdict, first_line, verdict_on
from dewey_logs.statements import statement

HOUR_US = 3_600_000_000
PASSED_OVER = "a trigger on the table keeps the record out of it, in silence"


class KnownRow(RowRefused):
    """A row is stored already, or breaks a unique index that is not ours: staging tells."""


class MissingDay(RowRefused):
    """The partition of some row does not exist, or a check without a name refuses the row."""


class Placed(NamedTuple):
    """What became of the rows; `stored` are those really inserted, the rest were known."""

    stored: Sequence[LogRow]
    refused: Sequence[Reject] = ()


Encoded = Mapping[bytes, bytes]  # id of a row → what COPY sends of it
Way = Callable[[Connection, Sequence[LogRow], Encoded], Placed]


def fresh(connection: Connection, rows: Sequence[LogRow], encoded: Encoded) -> Placed:
    """Store rows that are not known; raises KnownRow when one is after all.

    Or when a trigger of a user's passed one over, which PostgreSQL counts and does not tell.
    """
    if _copy(connection, "copy_fresh", rows, encoded) != len(rows):
        raise KnownRow(PASSED_OVER)
    return Placed(rows)


def staged(connection: Connection, rows: Sequence[LogRow], encoded: Encoded) -> Placed:
    """Store those rows that are not known yet."""
    return _through_staging(connection, rows, encoded)


def isolated(connection: Connection, rows: Sequence[LogRow], encoded: Encoded) -> Placed:
    """Store what can be stored; the rows that PostgreSQL refuses become rejects.

    Every partition has to be there: the row of a missing one would be refused as well.
    """
    passed_over: list[Reject] = []

    def attempt(part: Sequence[LogRow]) -> Sequence[LogRow]:
        with connection.transaction():  # a savepoint
            placed = _through_staging(connection, part, encoded)
            connection.execute("TRUNCATE dewey_incoming")
        passed_over.extend(placed.refused)
        return placed.stored

    stored, refused = isolate(rows, attempt)
    return Placed(stored, [*passed_over, *(reject_of(row, why) for row, why in refused)])


def no_moved_copies(connection: Connection, stored: Iterable[LogRow]) -> None:
    """Raise KnownRow when a row just inserted is known in `logs_moved` under another time.

    Only of use after the insert: a moved copy that was being stored meanwhile made it wait.
    """
    own = [row.id for row in stored if not row.moved]
    if own and connection.execute(statement("moved_among"), {"ids": _uuids(own)}).fetchone():
        raise KnownRow("stored already, moved to its entry's time")


def _through_staging(connection: Connection, rows: Sequence[LogRow], encoded: Encoded) -> Placed:
    moved = _place_moved(connection, [row for row in rows if row.moved])
    coming = [row for row in rows if not row.moved or row.id in moved]
    if not coming:
        return Placed(())
    _copy(connection, "copy_incoming", coming, encoded)
    new = _ids(connection, "store_incoming", {"moved": _uuids(moved)})
    times = {row.id: row.created_at_us for row in coming if row.id not in new}
    absent = _absent(connection, times, moved)
    if not moved.isdisjoint(absent):
        raise RowRefused(PASSED_OVER)  # undone, or `logs_moved` would say that it is stored
    passed_over = [reject_of(row, RowRefused(PASSED_OVER)) for row in coming if row.id in absent]
    return Placed([row for row in coming if row.id in new], passed_over)


def _place_moved(connection: Connection, rows: Sequence[LogRow]) -> set[bytes]:
    """Enter moved records in `logs_moved`; return the ids of those that were not known."""
    if not rows:
        return set()
    own = {row.id: us for row in rows if (us := own_time_us(row)) is not None}
    known = _ids(
        connection, "known_under_own_time", {"ids": _uuids(own), "own_us": list(own.values())}
    )
    known -= _absent(connection, {key: own[key] for key in known})  # a key that was passed over
    new = [row for row in rows if row.id not in known]
    parameters = {
        "ids": _uuids(row.id for row in new),
        "created_us": [row.created_at_us for row in new],
    }
    return _ids(connection, "store_moved", parameters)


def _absent(
    connection: Connection, times: Mapping[bytes, int], moved: Iterable[bytes] = ()
) -> set[bytes]:
    """Return which ids were not inserted at these times and are not known either.

    To insert a row and to find it there look the same where a trigger passes it over. Only a
    statement after the insert sees what others committed meanwhile.
    """
    if not times:
        return set()
    parameters = {
        "ids": _uuids(times),
        "us": f"{{{','.join(map(str, times.values()))}}}",
        "moved": _uuids(moved),
        "from_s": min(times.values()) // 1_000_000,
        "until_s": max(times.values()) // 1_000_000 + 1,
    }
    return _ids(connection, "absent", parameters, prepare=False)  # planned for these bounds


class RawUUID(Loader):
    """Ids as 16 bytes: making uuid.UUID objects would cost more than the query."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


@contextmanager
def _rows_judged() -> Iterator[None]:
    """Turn what PostgreSQL says about rows into what the writer does about it."""
    try:
        yield
    except psycopg.Error as exc:
        found = verdict_on(exc)
        if found is Verdict.ROW:
            raise RowRefused(reason_of(exc), exc.sqlstate) from exc
        if found is Verdict.KNOWN:
            raise KnownRow(reason_of(exc), exc.sqlstate) from exc
        if found is Verdict.MISSING_DAY:
            raise MissingDay(reason_of(exc), exc.sqlstate) from exc
        if found is Verdict.UNKNOWN:
            raise Unclassified(exc.sqlstate, first_line(exc)) from exc
        raise


def _copy(connection: Connection, name: str, rows: Sequence[LogRow], encoded: Encoded) -> int:
    """Send rows; return how many PostgreSQL kept."""
    with _rows_judged(), connection.cursor() as cursor:
        with cursor.copy(statement(name)) as copy:
            copy.write(copy_data(rows, encoded))
        return cursor.rowcount


def _ids(
    connection: Connection,
    name: str,
    parameters: Mapping[str, object],
    *,
    prepare: bool | None = None,
) -> set[bytes]:
    with _rows_judged(), connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("uuid", RawUUID)
        cursor.execute(statement(name), parameters, prepare=prepare)
        return {row[0] for row in cursor}


def _uuids(ids: Iterable[bytes]) -> str:
    """Return the text of a uuid[], which costs a tenth of a list of uuid.UUID."""
    return "{" + ",".join([key.hex() for key in ids]) + "}"


def with_partitions(
    connection: Connection, rows: Sequence[LogRow]
) -> tuple[list[LogRow], list[Reject]]:
    """Make every partition of the batch; return the rows that have one, and the rest as refused.

    No partition is shorter than an hour.
    """
    times = {row.created_at_us // HOUR_US: row.created_at_us for row in rows}
    made = connection.execute(statement("make_partitions"), {"times_us": list(times.values())})
    without = {us // HOUR_US for us, name in made if name is None}
    why = RowRefused("created_at is too far from now: no partition is made there", "23514")
    return (
        [row for row in rows if row.created_at_us // HOUR_US not in without],
        [reject_of(row, why) for row in rows if row.created_at_us // HOUR_US in without],
    )
