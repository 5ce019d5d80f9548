"""Clearing: removing by a filter what is stored, so that it is safe to stop anywhere.

Its filter and time are committed before anything goes, and from then on clears.py heeds them. Every
step after that leaves log and rollups in agreement, so a clear that was cut short is finished by
doing it again. It removes what was stored when it began: what arrives meanwhile stays, as does what
is still in the stream. Ledger and `logs_moved` are left alone: a number that was stored once counts
as stored, and a moved record that is sent again is known by its id.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from dewey_logs import partitions, removal
from dewey_logs.database import Connection, connect, conninfo, errors_translated
from dewey_logs.errors import BadFilter, DeweyError
from dewey_logs.filters import Conditions, LogFilter, bounds, conditions
from dewey_logs.notes import note
from dewey_logs.removal import Clear, Stretch
from dewey_logs.sqlstates import first_line
from dewey_logs.statements import statement
from dewey_logs.times import micros
from dewey_logs.writer import Writer

COUNT_S = 10.0  # for a plan; what was counted until then is the least that would go
STEP_TIMEOUT_MS = 5_000
PATIENCE_S = 5.0  # for whole partitions to be free, all of them together
AGAIN_S = 1.0

_EMPTY = LogFilter()


class ClearPlan(msgspec.Struct, frozen=True):
    """What a clear would remove; `filter` is the one given, with its times made absolute.

    `records` is a least number where not `exact`: counting ended after 10 s. `components` and
    `levels` say how many of what, the most frequent first. `oldest` and `newest` are RFC 3339 UTC,
    None without any record. `partitions` would be emptied at once, as a whole.
    """

    filter: LogFilter
    records: int
    exact: bool
    components: tuple[tuple[str, int], ...]
    levels: tuple[tuple[str, int], ...]
    oldest: str | None
    newest: str | None
    partitions: tuple[str, ...]


class Cleared(msgspec.Struct, frozen=True):
    """What a clear has removed: records in all, and the partitions that were emptied at once."""

    id: str
    records: int
    partitions: tuple[str, ...]


class Clearing:
    """Clears as the owner; the writer stores the record that tells of it."""

    def __init__(self, owner_url: str, writer: Writer) -> None:
        self._info = conninfo(owner_url, "dewey-clear")
        self._writer = writer

    def plan(self, wanted: LogFilter, *, everything: bool = False) -> ClearPlan:
        """Return what `clear` would remove now; see Store.plan_clear."""
        wanted = _absolute(wanted, everything)
        deadline = time.monotonic() + COUNT_S
        components: Counter[str] = Counter()
        levels: Counter[str] = Counter()
        times: list[datetime] = []
        whole: list[str] = []
        exact = True
        with self._connected() as connection:
            matching = _checked(connection, wanted)
            for name, counted in _counted(connection, wanted, matching):
                for component, level, n, oldest, newest in counted:
                    components[component] += n
                    levels[level] += n
                    times += [oldest, newest]
                if name and counted:
                    whole.append(name)
                if time.monotonic() > deadline:
                    exact = False
                    break
        return ClearPlan(
            filter=wanted,
            records=levels.total(),
            exact=exact,
            components=tuple(components.most_common()),
            levels=tuple(levels.most_common()),
            oldest=_text(min(times)) if times else None,
            newest=_text(max(times)) if times else None,
            partitions=tuple(whole),
        )

    def clear(
        self,
        wanted: LogFilter,
        *,
        asked_by: str,
        everything: bool = False,
        progress: Callable[[int], None] = lambda records: None,
    ) -> Cleared:
        """Remove what matches and leave a record of it in the log; see Store.clear."""
        wanted = _absolute(wanted, everything)
        self._writer.check()  # nothing goes that could not be told of
        with self._connected() as connection:
            matching = _checked(connection, wanted)
            with _alone(connection):
                clear = _begin(connection, wanted, asked_by)
                try:
                    for removed in _removed(connection, wanted, matching, clear):
                        if removed:
                            progress(removed)
                    connection.execute(statement("clear_finished"), {"clear": clear.id})
                except BaseException:
                    with suppress(psycopg.Error, DeweyError):  # the next clear tells of it then
                        self._tell(connection)
                    raise
                row = connection.execute(
                    "SELECT removed, emptied FROM logs_cleared WHERE id = %s", (clear.id,)
                ).fetchone()
                assert row is not None
                self._tell(connection)
        return Cleared(str(clear.id), row[0], tuple(row[1]))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Give a connection of the owner whose statements are short and hold nobody up."""
        with (
            connect(
                self._info,
                lock_timeout=partitions.LOCK_TIMEOUT_MS,
                statement_timeout=STEP_TIMEOUT_MS,
                plan_cache_mode="force_custom_plan",  # plans depend on where in the day a step is
                jit="off",
            ) as connection,
            errors_translated(connection),
        ):
            yield connection

    def _tell(self, connection: Connection) -> None:
        """Write a record of every clear that none tells of, also of one that was killed.

        Twice is once, by its id and time.
        """
        for id, at, filter, asked_by, removed, emptied, finished in connection.execute(
            statement("clears_untold")
        ).fetchall():
            said = {
                "filter": filter,
                "records": removed,
                "partitions": emptied,
                "asked_by": asked_by,
                "finished": finished,
            }
            message = f"cleared {removed:,} records" + ("" if finished else " and was cut short")
            note(self._writer, message, said, id=id.bytes, at_us=micros(at))
            connection.execute(statement("clear_told"), {"clear": id})


def _absolute(wanted: LogFilter, everything: bool) -> LogFilter:
    """Return the filter with its times made absolute; raises BadFilter for what no clear can be."""
    for name in ("limit", "cursor", "order"):
        if getattr(wanted, name) != getattr(_EMPTY, name):
            raise BadFilter(f"{name} makes no sense here: a clear removes all that matches")
    if wanted == _EMPTY and not everything:
        raise BadFilter("the filter is empty: to remove every record has to be asked for as such")
    if wanted != _EMPTY and everything:
        raise BadFilter("either a filter or everything: both together contradict each other")
    since, until = bounds(wanted, datetime.now(UTC))
    return msgspec.structs.replace(
        wanted,
        since=None if since is None else _text(since),
        until=None if until is None else _text(until),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _checked(connection: Connection, wanted: LogFilter) -> Conditions:
    """Return the filter as SQL; raises BadFilter.

    A regular expression that is none must be found before it is kept for others to heed.
    """
    found = conditions(wanted, *bounds(wanted, datetime.now(UTC)))
    try:
        connection.execute("SELECT '' ~ %s::text", (found.values.get("regex"),))
    except psycopg.DataError as exc:
        raise BadFilter(f"the filter cannot be used: {first_line(exc)}") from exc
    return found


def _stretches(connection: Connection, wanted: LogFilter) -> Iterator[tuple[Stretch, bool]]:
    """Yield what the filter's times leave of each partition, oldest first, and whether that is all.

    All of it goes only where the filter is of time alone.
    """
    since, until = bounds(wanted, datetime.now(UTC))
    time_alone = msgspec.structs.replace(wanted, since=None, until=None) == _EMPTY
    whole = statement("partitions_now" if time_alone else "stretches_now")
    for row in connection.execute(whole).fetchall():
        partition = Stretch(*row)
        stretch = partition.narrowed(since, until)
        if stretch.low < stretch.high:
            yield stretch, time_alone and stretch == partition


def _counted(
    connection: Connection, wanted: LogFilter, matching: Conditions
) -> Iterator[tuple[str | None, removal.Counted]]:
    """Yield what matches piece by piece, with the name of a partition that goes as a whole."""
    for stretch, whole in _stretches(connection, wanted):
        if whole:
            values = {"low": stretch.low, "high": stretch.high}
            found = connection.execute(statement("count_partition"), values).fetchall()
            yield stretch.part, found
        else:
            for found in removal.count(connection, stretch, matching):
                yield None, found


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keep other clears, and retention, away meanwhile; raises DeweyError while one is at work."""
    try:
        connection.execute(statement("wait_for_maintenance"))  # a session that ends takes a moment
    except psycopg.errors.LockNotAvailable as exc:
        raise DeweyError(
            "another clear, or maintenance, is at work: try again when it is done"
        ) from exc
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute(statement("leave_maintenance"))


def _begin(connection: Connection, wanted: LogFilter, asked_by: str) -> Clear:
    """Commit the filter and the time, from which on whatever comes again heeds it."""
    kept = {
        name: value
        for name, value in msgspec.to_builtins(wanted).items()
        if value != getattr(_EMPTY, name) and value != []
    }
    values = {"filter": Jsonb(kept), "asked_by": asked_by}
    row = connection.execute(statement("begin_clear"), values).fetchone()
    assert row is not None
    return Clear(*row)


def _removed(
    connection: Connection, wanted: LogFilter, matching: Conditions, clear: Clear
) -> Iterator[int]:
    """Remove what matches; yield the number of records after each transaction.

    A whole partition goes at once. One that others use goes row by row, like everything else.
    """
    deadline = time.monotonic() + PATIENCE_S
    for stretch, whole in _stretches(connection, wanted):
        gone = removal.empty(connection, stretch.part, clear) if whole else None
        while whole and gone is None and time.monotonic() < deadline:
            time.sleep(AGAIN_S)
            gone = removal.empty(connection, stretch.part, clear)
        if gone is None:
            yield from removal.remove(connection, stretch, matching, clear)
        else:
            yield gone
