"""Reading: a small pool of connections that can change nothing and stop by themselves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from dewey_logs import accounts as ledger_accounts
from dewey_logs import (
    arrivals,
    comparison,
    context,
    deadletters,
    diagnosis,
    histogram,
    pattern_counts,
    traces,
)
from dewey_logs import contents as log_contents
from dewey_logs import facets as field_facets
from dewey_logs import summary as summaries
from dewey_logs.accounts import Accounts, Neighbours
from dewey_logs.answers import (
    Arrivals,
    Context,
    Facets,
    Histogram,
    PatternTable,
    Summary,
    Trace,
    WindowComparison,
)
from dewey_logs.cancellation import watched
from dewey_logs.contents import Contents
from dewey_logs.database import (
    SESSION,
    Connection,
    apply_settings,
    connect,
    errors_translated,
)
from dewey_logs.deadletters import DeadLetter, DeadLetterFilter, DeadLetterReason
from dewey_logs.diagnosis import Diagnosis
from dewey_logs.errors import Unavailable
from dewey_logs.export import FETCH_TIMEOUT_MS, IDLE_TIMEOUT_MS, Export
from dewey_logs.filters import LogFilter
from dewey_logs.levels import LevelSetting
from dewey_logs.levels import levels as levels_in_force
from dewey_logs.logins import READER
from dewey_logs.measures import Measures, measures
from dewey_logs.patience import PatientConnection, beyond
from dewey_logs.query import page
from dewey_logs.rows import Page, StoreTotals, Window
from dewey_logs.statements import statement
from dewey_logs.totals import totals

POOL_TIMEOUT_S = 5.0
LONGEST_MS = 30_000  # of all statements, an audit's
MAX_CONNECTIONS = 4
MAX_EXPORTS = 2

SETTINGS: dict[str, str | int] = {
    **SESSION,
    "default_transaction_read_only": "on",
    "lock_timeout": 1_000,
    "idle_in_transaction_session_timeout": 10_000,
    # statements of one answer see the same records and the same counts
    "default_transaction_isolation": "repeatable read",
    # a generic plan cannot use the partial indexes by level (measured: 3.8 s instead of 2 ms)
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}


Answer = TypeVar("Answer")


class Readers:
    """The pool behind every query; opened at the first use, safe for many threads."""

    def __init__(
        self,
        info: str,
        *,
        query_timeout_s: float = 5.0,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._info = info
        self._settings = {**SETTINGS, "statement_timeout": int(query_timeout_s * 1000)}
        self._max_connections = max_connections
        self._pool: ConnectionPool[PatientConnection] | None = None
        self._lock = threading.Lock()
        self._asking: set[PatientConnection] = set()
        self._exports = threading.BoundedSemaphore(MAX_EXPORTS)

    def query(self, filter: LogFilter) -> Page:
        """Return one page; see Store.query."""
        return self._read(lambda connection: page(connection, filter))

    def context(
        self,
        record_id: str,
        created_at: datetime | None,
        before: int,
        after: int,
        same: context.Same | None,
    ) -> Context | None:
        """Return a record and those around it; see Store.context."""
        return self._read(
            lambda c: context.around(
                c, record_id, created_at, before=before, after=after, same=same
            )
        )

    def trace(self, trace_id: str, limit: int) -> Trace | None:
        """Return a trace from its beginning; see Store.trace."""
        return self._read(lambda c: traces.trace(c, trace_id, limit))

    def histogram(self, filter: LogFilter, interval: str) -> Histogram:
        """Return counts over time; see Store.histogram."""
        return self._read(lambda c: histogram.histogram(c, filter, interval))

    def summary(self, filter: LogFilter, disk: bool = True) -> Summary:
        """Return how much there is of what; see Store.summary."""
        return self._read(lambda c: summaries.summary(c, filter, disk=disk))

    def patterns(self, filter: LogFilter) -> PatternTable:
        """Return the most frequent patterns; see Store.patterns."""
        return self._read(lambda c: pattern_counts.patterns(c, filter))

    def compare(
        self, before: LogFilter, after: LogFilter, min_ratio: float, limit: int
    ) -> WindowComparison:
        """Return what two windows differ in; see Store.compare."""
        return self._read(
            lambda c: comparison.compare(c, before, after, min_ratio=min_ratio, limit=limit)
        )

    def facets(self, field: str, filter: LogFilter) -> Facets:
        """Return the most frequent values of a field; see Store.facets."""
        return self._read(lambda c: field_facets.facets(c, field, filter))

    def arrivals(self, filter: LogFilter) -> Arrivals:
        """Return what was stored since; see Store.arrivals."""
        return self._read(lambda c: arrivals.arrivals(c, filter))

    def export(self, filter: LogFilter) -> Export:
        """Return an iterator over every record that matches; see Store.export."""
        settings = {
            **SETTINGS,
            "statement_timeout": FETCH_TIMEOUT_MS,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
        }
        if not self._exports.acquire(blocking=False):
            raise Unavailable(f"{MAX_EXPORTS} exports are running: wait for one to end")
        try:
            return Export(
                lambda: connect(self._info, patience_s=beyond(FETCH_TIMEOUT_MS), **settings),
                filter,
                self._exports.release,
            )
        except BaseException:
            self._exports.release()
            raise

    def levels(self) -> tuple[LevelSetting, ...]:
        """Return the levels set from outside; see Store.levels."""
        return self._read(levels_in_force)

    def window(self) -> Window:
        """Return the accepted window as the database defines it."""
        row = self._read(lambda connection: connection.execute(statement("window")).fetchone())
        assert row is not None
        return Window(*row)

    def ping(self) -> None:
        """Return when PostgreSQL answers and knows our tables."""
        self._read(lambda connection: connection.execute("SELECT FROM logs LIMIT 0"))

    def totals(self) -> StoreTotals:
        """Return the size of the store; see Store.totals."""
        return self._read(totals)

    def measures(self) -> Measures:
        """Return what metrics tell of the store; see Store.measures."""
        return self._read(measures)

    def accounts(self, stream: str, region: tuple[int, int], settling_seconds: float) -> Accounts:
        """Return the ledger of one stream; see Store.accounts."""
        return self._read(lambda c: ledger_accounts.read(c, stream, region, settling_seconds))

    def neighbours(
        self, wanted: Sequence[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], Neighbours]:
        """Return when the numbers beside ranges were committed; see Store.neighbours."""
        return self._read(lambda c: ledger_accounts.neighbours(c, wanted))

    def active_producers(self, since: datetime) -> set[int]:
        """Return the producers of which anything was settled since then."""
        return self._read(lambda c: ledger_accounts.active(c, since))

    def balanced_producers(
        self, stream: str, sent: Mapping[int, int], silent_seconds: float
    ) -> frozenset[int]:
        """Return who owes nothing and was silent for so long."""
        return self._read(lambda c: ledger_accounts.balanced(c, stream, sent, silent_seconds))

    def contents(self) -> Contents:
        """Return what `logs` really holds; see Store.contents."""
        return self._read(log_contents.read)

    def dead_letters(self, wanted: DeadLetterFilter) -> tuple[DeadLetter, ...]:
        """Return one page of dead letters; see Store.dead_letters."""
        return self._read(lambda c: deadletters.read(c, wanted))

    def dead_letter_reasons(self) -> tuple[DeadLetterReason, ...]:
        """Return the open dead letters by reason."""
        return self._read(deadletters.reasons)

    def diagnosis(self) -> Diagnosis:
        """Return facts about the database; see Store.diagnosis."""
        return self._read(diagnosis.read)

    def hang_up(self) -> None:
        """Wait for no answer any longer; see Store.hang_up."""
        for connection in list(self._asking):
            connection.patience_s = 0.0

    def close(self) -> None:
        """Close every connection; a later query opens the pool again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _read(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do some reading; again on another connection when the session turns out to be dead.

        Reading is safe to repeat. It ends, because every dead session leaves the pool, and because
        a plain connection in between fails at once while the server is away.
        """
        for _ in range(self._max_connections + 1):
            pool = self._opened()
            connection = self._taken_from(pool)
            self._asking.add(connection)
            try:
                with errors_translated(connection, READER), watched(connection):
                    return work(connection)
            except Unavailable:
                if not connection.closed or not connection.patience_s:
                    raise
            finally:
                self._asking.discard(connection)
                pool.putconn(connection)
            connect(self._info).close()
        raise Unavailable("PostgreSQL ended every session for reading: try again later")

    def _taken_from(self, pool: ConnectionPool[PatientConnection]) -> PatientConnection:
        try:
            return pool.getconn()
        except PoolTimeout as exc:
            connect(self._info).close()  # says why, if PostgreSQL cannot be reached at all
            raise Unavailable(
                f"no connection for reading became free within {POOL_TIMEOUT_S:.0f} s "
                f"({self._max_connections} are allowed): try again, or narrow the queries"
            ) from exc
        except psycopg.Error as exc:
            raise Unavailable("the store was closed meanwhile") from exc

    def _configure(self, connection: PatientConnection) -> None:
        connection.patience_s = beyond(LONGEST_MS)
        set_json_loads(_decoded, connection)
        apply_settings(connection, self._settings)

    def _opened(self) -> ConnectionPool[PatientConnection]:
        with self._lock:
            if self._pool is None:
                # the pool would try for seconds before it says no; one plain connection says why
                connect(self._info).close()
                self._pool = ConnectionPool(
                    self._info,
                    connection_class=PatientConnection,
                    kwargs={"autocommit": True},
                    min_size=0,
                    max_size=self._max_connections,
                    open=True,
                    configure=self._configure,
                    timeout=POOL_TIMEOUT_S,
                    max_idle=60.0,
                    reconnect_timeout=POOL_TIMEOUT_S,
                    name="dewey-readers",
                )
            return self._pool


def _decoded(data: str | bytes) -> Any:
    """Decode what jsonb holds, in a quarter of the time of json, which takes what is left."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return json.loads(data)
