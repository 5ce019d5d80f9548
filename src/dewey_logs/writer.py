"""One batch, one transaction: rows, dead letters, ledger and checkpoint, or nothing of it.

A batch starts on the way (ways.py) that its flags ask for and changes it when PostgreSQL says so.
Every attempt begins a new transaction, so repeating one is safe; a COMMIT whose answer is lost is
safe too, because the caller sends the batch again and its rows are then known.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import NamedTuple, TypeVar

import psycopg

from dewey_logs import deadletters, ledger, rollups, ways
from dewey_logs.clears import ClearedMeanwhile, cleared, none_cleared
from dewey_logs.copydata import RowRefused, encode
from dewey_logs.database import Connection, user_of
from dewey_logs.durability import connect_to_write, require_durability
from dewey_logs.errors import DeweyError, Unanswered, Unavailable, Unclassified
from dewey_logs.logins import WRITER
from dewey_logs.outcomes import settled
from dewey_logs.owntime import timed
from dewey_logs.patience import PatientConnection
from dewey_logs.rejects import reject_of, store_rejects, unkept_letter
from dewey_logs.rows import Batch, Checkpoint, LogRow, Reject, SetBack, WriteResult
from dewey_logs.sqlstates import (
    CANCELLED,
    Verdict,
    first_line,
    too_slow,
    translated,
    verdict_on,
)
from dewey_logs.statements import statement

DAY_US = 86_400_000_000
Answer = TypeVar("Answer")
_key = attrgetter("created_at_us", "id")
ATTEMPTS = 9  # known row, missing day, bad row, copy resent, group anew, bound, clear; two to spare

_log = logging.getLogger("dewey_logs.writer")


class Prepared(NamedTuple):
    """Rows made ready to be sent; see Store.prepare.

    `rows` have unique ids and are in the order of the key; `encoded` holds what COPY sends of each,
    and `patterns` its pattern, both by id. `refused` are those that cannot be sent at all.
    """

    rows: Sequence[LogRow]
    encoded: Mapping[bytes, bytes]
    patterns: Mapping[bytes, int]
    refused: Sequence[Reject]


class Writer:
    """The connection that stores batches; made at the first one, and again after every outage."""

    def __init__(
        self,
        info: str,
        *,
        retention_days: int,
        statement_timeout_s: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._info = info
        self._retention_us = retention_days * DAY_US
        self._statement_timeout_ms = int(statement_timeout_s * 1000)
        self._monotonic = monotonic
        self._connection: PatientConnection | None = None
        self._clock = (0, 0.0)  # the database's time, and ours when it said so
        self._back_us = self._ahead_us = 0
        self._moved_exist = False
        self._rollups = rollups.Rollups()
        self._lock = threading.Lock()

    def prepare(self, rows: Sequence[LogRow]) -> Prepared:
        """Make rows ready to be sent; see Store.prepare."""
        unique = {row.id: row for row in reversed(rows)}  # of equal ids the first one stays
        ordered = sorted(unique.values(), key=_key)
        patterns = self._rollups.patterns(ordered)
        encoded: dict[bytes, bytes] = {}
        refused = []
        for row in ordered:
            try:
                encoded[row.id] = encode(row, patterns[row.id])
            except RowRefused as why:
                refused.append(reject_of(row, why))
        if refused:
            ordered = [row for row in ordered if row.id in encoded]
        return Prepared(ordered, encoded, patterns, refused)

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult:
        """Store a batch; see Store.write."""
        if not (batch.rows or batch.rejects or batch.dropped or batch.runs):
            return WriteResult(stored=0)
        ready = self.prepare(batch.rows) if prepared is None else prepared
        with self._lock:
            began = self._monotonic()
            try:
                return self._store(self._connected(), batch, ready)
            except Unclassified as exc:  # the transaction was undone, the connection is good
                _say_loudly(exc)
                raise
            except psycopg.Error as exc:
                raise self._judged(exc, batch, self._monotonic() - began) from exc
            except BaseException:
                self._discard()
                raise

    def drop_dead_letters(self, ids: Sequence[str]) -> int:
        """Give open dead letters up; see Store.drop_dead_letters."""
        with self._ready() as connection:
            return deadletters.drop(connection, ids)

    def stream_gone(self, stream: str, at_ms: int) -> bool:
        """Keep that a stream was found missing; see Store.stream_gone."""
        with self._ready() as connection:
            row = connection.execute(
                "SELECT dewey_stream_gone(%s, %s::numeric)", (stream, str(at_ms))
            ).fetchone()
        assert row is not None
        return bool(row[0])

    def set_back(self, found: SetBack) -> bool:
        """Keep that a stream came back older; see Store.set_back."""
        with self._ready() as connection:
            row = connection.execute(statement("set_back"), ledger.set_back(found)).fetchone()
        assert row is not None
        return bool(row[0])

    def check(self) -> None:
        """Connect if need be, and be answered; raises NotDurable, Unavailable or SchemaProblem."""
        with self._ready() as connection:
            connection.execute("SELECT 1")  # one that was not used since may be dead

    def asked(self, question: Callable[[Connection], Answer]) -> Answer:
        """Ask something as the login that writes; raises like `check`."""
        with self._ready() as connection:
            return question(connection)

    @contextmanager
    def _ready(self) -> Iterator[Connection]:
        """Give the connection, alone; after any error the next one opens another."""
        with self._lock:
            try:
                yield self._connected()
            except psycopg.Error as exc:
                raise self._failed(exc) from exc
            except BaseException:
                self._discard()
                raise

    def hang_up(self) -> None:
        """Wait for PostgreSQL no longer; see Store.hang_up."""
        connection = self._connection  # without the lock: whoever waits holds it
        if connection is not None:
            connection.patience_s = 0.0

    def close(self) -> None:
        """Close the connection; a later write opens another."""
        with self._lock:
            self._discard()

    def _connected(self) -> PatientConnection:
        if self._connection is None or self._connection.closed:
            connection = connect_to_write(self._info, self._statement_timeout_ms)
            self._connection = connection
            self._rollups.forget()
            require_durability(connection)
            connection.execute(statement("make_incoming"))
            row = connection.execute(statement("clock")).fetchone()
            assert row is not None
            now_us, self._back_us, self._ahead_us = row
            self._clock = (now_us, self._monotonic())
        return self._connection

    def _judged(self, error: psycopg.Error, batch: Batch, seconds: float) -> DeweyError:
        """Return what callers know an error as that ended a batch after that time."""
        if error.sqlstate == CANCELLED and seconds * 1000 >= self._statement_timeout_ms:
            # sooner it was a person, and the text is in any language; the connection is good
            return too_slow(error, len(batch.rows) + len(batch.rejects))
        if verdict_on(error) in (Verdict.OUTAGE, Verdict.SCHEMA):
            return self._failed(error)
        # a record's doing, but outside the ways nobody knows whose: the batch's parts tell
        self._discard()
        found = Unclassified(error.sqlstate, first_line(error))
        _say_loudly(found)
        return found

    def _failed(self, error: psycopg.Error) -> DeweyError:
        """Give the connection up; return what callers know the error as."""
        connection = self._connection
        found = translated(error, WRITER, user_of(connection))
        self._discard()
        if connection is not None and connection.ran_out:
            return Unanswered("PostgreSQL gave no answer in time")
        return found

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _store(self, connection: Connection, batch: Batch, prepared: Prepared) -> WriteResult:
        rows, encoded, patterns, unfit = self._timed(batch, prepared)
        cutoff_us = self._cutoff_us()
        expired = [row for row in rows if row.created_at_us < cutoff_us]
        rows = rows[len(expired) :]
        refused = list(unfit)
        careful = batch.maybe_known or any(row.moved for row in rows)
        way: ways.Way = ways.staged if careful else ways.fresh
        bound: tuple[int, int] | None = None
        day_missing = every_day = False
        today = self._now_us() // DAY_US
        for _ in range(ATTEMPTS):
            if not every_day and (day_missing or way is ways.isolated):
                rows, impossible = ways.with_partitions(connection, rows)
                refused += impossible
                every_day = True
            try:
                with connection.transaction():  # the one place where a batch is committed
                    gone = cleared(connection, rows) if batch.heed_clears else set()
                    coming = [row for row in rows if row.id not in gone] if gone else rows
                    placed = way(connection, coming, encoded) if coming else ways.Placed(())
                    rejects = (*batch.rejects, *refused, *placed.refused)
                    told = ledger.late(connection, batch, bound, placed.stored, rejects)
                    unkept = _keep_rejects(connection, batch, rejects, expired)
                    numbers = settled(batch, placed, expired, rejects, gone, unkept)
                    new = self._rollups.unknown(placed.stored, patterns, today)
                    rollups.keep_patterns(connection, new)
                    counts = rollups.deltas(placed.stored, patterns)
                    before = self._settle(connection, told, numbers, counts, bound)
                    if self._moved_exist:
                        ways.no_moved_copies(connection, placed.stored)
                    if batch.heed_clears:
                        none_cleared(connection, placed.stored)
            except ClearedMeanwhile:
                continue
            except ways.KnownRow:  # past ON CONFLICT it is not our key that the row breaks
                way = ways.staged if way is ways.fresh else ways.isolated
            except ways.MissingDay:  # where every day exists it is the row that is refused
                day_missing = True
                way = ways.isolated if every_day else way
            except RowRefused:
                way = ways.isolated
            except ledger.DeliveredBefore:
                batch = ledger.redelivered(batch)
            except ledger.BelowBound as exc:
                bound = exc.bound
                way = way if way is ways.isolated else ways.staged
            else:
                self._rollups.told(new)
                new_rejects = len(rejects) - len(batch.rejects)
                return WriteResult(
                    stored=len(placed.stored),
                    duplicates=len(batch.rows)
                    - len(placed.stored)
                    - new_rejects
                    - len(expired)
                    - len(gone),
                    rejects=tuple(unkept_letter(r) if r.id in unkept else r for r in rejects),
                    expired=len(expired),
                    cleared=len(gone),
                    checkpoint=before,
                )
        raise Unavailable(f"a batch could not be stored in {ATTEMPTS} attempts; try again later")

    def _cutoff_us(self) -> int:
        """Return the start of the oldest day that is kept, by the database's clock.

        A day is kept until its last record is older than that: partitions.py drops by the same.
        """
        return (self._now_us() - self._retention_us) // DAY_US * DAY_US

    def _timed(self, batch: Batch, prepared: Prepared) -> Prepared:
        """Return the rows under the times that count, by the database's clock; see owntime.py."""
        if not any(row.moved for row in batch.rows):
            return prepared
        now_us = self._now_us()
        earliest_us = max(now_us - self._back_us, self._cutoff_us())
        rows = [timed(row, earliest_us, now_us + self._ahead_us) for row in batch.rows]
        changed = any(row is not given for row, given in zip(rows, batch.rows, strict=True))
        return self.prepare(rows) if changed else prepared

    def _now_us(self) -> int:
        now_us, then = self._clock
        return now_us + int((self._monotonic() - then) * 1_000_000)

    def _settle(
        self,
        connection: Connection,
        batch: Batch,
        numbers: Iterable[ledger.Entry],
        counts: Mapping[str, object],
        heeded: tuple[int, int] | None,
    ) -> Checkpoint | None:
        """Write ledger, rollups and checkpoint, and learn the database's time: the last statement.

        `heeded` is the bound that the batch was told by, None before one was met. Return the
        checkpoint from before.
        """
        parameters = {**ledger.parameters(batch, numbers), **counts}
        row = connection.execute(statement("settle"), parameters).fetchone()
        assert row is not None
        now_us, self._moved_exist, had_before, ms, seq, added, last_ms, last_seq = row
        self._clock = (now_us, self._monotonic())
        bound = None if ms is None else (int(ms), int(seq))
        if bound is not None and bound != heeded and ledger.lies_below(batch, bound):
            raise ledger.BelowBound(bound)
        if had_before:
            raise ledger.DeliveredBefore
        return Checkpoint(added, (int(last_ms), int(last_seq))) if added else None


def _say_loudly(error: Unclassified) -> None:
    """Log what a person has to look at."""
    _log.error(
        "unclassified error from PostgreSQL",
        extra={"action": "write", "sqlstate": error.sqlstate},
    )


def _keep_rejects(
    connection: Connection, batch: Batch, rejects: Sequence[Reject], expired: Sequence[LogRow]
) -> Collection[bytes]:
    """Keep what was refused, and what became of the dead letters that were tried again.

    Return the ids of what could not be kept.
    """
    known = {item.record for item in batch.retried}
    unkept = store_rejects(connection, [r for r in rejects if r.id not in known], batch.stream)
    deadletters.settle_retried(connection, batch.retried, rejects, {row.id for row in expired})
    return unkept
