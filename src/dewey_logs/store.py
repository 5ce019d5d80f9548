"""The store: one protocol, so that a Dewey behind HTTP can stand where PostgreSQL does.

Writing has one connection of its own, reading a small pool: a slow query never delays a batch.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from dewey_logs.accounts import Accounts
from dewey_logs.database import conninfo
from dewey_logs.filters import LogFilter
from dewey_logs.readers import Readers
from dewey_logs.rows import Batch, Page, StoreTotals, Window, WriteResult
from dewey_logs.writer import Writer


class Store(Protocol):
    """Where records are kept. `write` is for one thread at a time, everything else for any."""

    def write(self, batch: Batch) -> WriteResult:
        """Store a batch in one transaction: all of it is on disk when this returns, or nothing.

        Rows known already are counted, rows that cannot be stored come back as rejects and are kept
        as dead letters. Raises Unavailable (send the same batch again later) or SchemaProblem.
        """
        ...

    def query(self, filter: LogFilter) -> Page:
        """Return one page; raises BadFilter, QueryTimeout, Unavailable or SchemaProblem."""
        ...

    def window(self) -> Window:
        """Return how far a record's own time may lie from its entry's; asked once, then kept."""
        ...

    def ping(self) -> None:
        """Return when the store answers; raises Unavailable or SchemaProblem."""
        ...

    def totals(self) -> StoreTotals:
        """Return the size of the store, cheaply: rows are estimated once they are many."""
        ...

    def accounts(self, stream: str, region: tuple[int, int], settling_seconds: float) -> Accounts:
        """Return the ledger of one stream for an audit; see dewey_logs.accounts."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...

    def __enter__(self) -> Store: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class PostgresStore:
    """The store in PostgreSQL."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._window: Window | None = None

    def write(self, batch: Batch) -> WriteResult:
        """Store a batch in one transaction; see Store.write."""
        return self._writer.write(batch)

    def query(self, filter: LogFilter) -> Page:
        """Return one page; see Store.query."""
        return self._readers.query(filter)

    def window(self) -> Window:
        """Return the accepted window; see Store.window."""
        if self._window is None:
            self._window = self._readers.window()
        return self._window

    def ping(self) -> None:
        """Return when PostgreSQL answers; see Store.ping."""
        self._readers.ping()

    def totals(self) -> StoreTotals:
        """Return the size of the store; see Store.totals."""
        return self._readers.totals()

    def accounts(self, stream: str, region: tuple[int, int], settling_seconds: float) -> Accounts:
        """Return the ledger of one stream; see Store.accounts."""
        return self._readers.accounts(stream, region, settling_seconds)

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._readers.close()

    def __enter__(self) -> PostgresStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(
    url: str,
    *,
    reader_url: str | None = None,
    owner_url: str | None = None,
    application_name: str = "godot",
    retention_days: int = 7,
    statement_timeout_s: float = 20.0,
    query_timeout_s: float = 5.0,
) -> Store:
    """Open the store behind a postgresql:// URL; connecting waits for the first use.

    Raises DeweyError at once for a URL it cannot handle.
    """
    writer = Writer(
        conninfo(url, application_name),
        retention_days=retention_days,
        statement_timeout_s=statement_timeout_s,
    )
    if owner_url is not None:
        conninfo(owner_url, application_name)  # nothing here needs it yet, but a wrong one is wrong
    readers = Readers(
        conninfo(reader_url or url, application_name), query_timeout_s=query_timeout_s
    )
    return PostgresStore(writer, readers)
