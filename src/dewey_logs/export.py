"""Every record that matches, one after the other, however many there are.

Cursors on the server over one snapshot: memory stays flat on both sides, nothing is lost or comes
twice while records arrive, and nothing is skipped as between two queries. One cursor for each
stretch of time that is indexed as one, or the planner would not use the indexes of parts. It has a
connection of its own, because the pool's few are for answers of milliseconds. Retention waits for
its snapshot, so whoever does not fetch for ten minutes is cut off.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from uuid import UUID

from dewey_logs.answers import Answer
from dewey_logs.budget import ask, asking, part_of, walk
from dewey_logs.cursors import make_cursor
from dewey_logs.database import Connection
from dewey_logs.errors import DeweyError
from dewey_logs.filters import LogFilter, bounds, check_paging, conditions
from dewey_logs.rows import LogRecordView

FETCH_TIMEOUT_MS = 60_000
IDLE_TIMEOUT_MS = 600_000
NARROW = "narrow since, until or component"

Bounds = tuple[datetime | None, datetime | None]


class Export:
    """An iterator over the records, for one thread; closing it ends its query.

    `limit` and `cursor` of the filter do not count. Raises BadFilter when it is made, and while
    it is read QueryTimeout, Unavailable (also when nobody fetched for too long) or SchemaProblem.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        wanted: LogFilter,
        released: Callable[[], None],
        now: datetime | None = None,
    ) -> None:
        check_paging(wanted)
        between = bounds(wanted, now or datetime.now(UTC))
        conditions(wanted, *between)  # says what is wrong with it
        self._wanted, self._between = wanted, between
        self._session = _Session(connect, released)
        self._began = time.perf_counter()
        self._returned = 0
        self._last: LogRecordView | None = None
        self._rows = _read(self._session, wanted, between)
        # neither knows of the export: one that nobody holds any more is gone, read or not
        weakref.finalize(self, self._session.end)

    def __iter__(self) -> Iterator[LogRecordView]:
        return self

    def __next__(self) -> LogRecordView:
        self._last = next(self._rows)
        self._returned += 1
        return self._last

    def answer(self) -> Answer:
        """Return what is to say of it so far; it is `truncated` until it was read to its end.

        `next_cursor` is for a query with the same filter, which goes on where this one was left.
        """
        count, last, more = self._returned, self._last, not self._session.complete
        cursor = None
        if last is not None and more:
            key = datetime.fromisoformat(last.created_at), UUID(last.id).bytes
            cursor = make_cursor(self._wanted, key, self._between, count, matched_capped=True)
        return Answer(
            returned=count,
            truncated=more,
            next_cursor=cursor,
            matched=count,
            matched_capped=more,
            strategy="export",
            took_ms=(time.perf_counter() - self._began) * 1000,
        )

    def close(self) -> None:
        """End the query and its connection; from another thread, too, and again does nothing."""
        try:
            with contextlib.suppress(DeweyError):  # the session is gone already
                self._rows.close()
        except ValueError:  # another thread waits in it for rows: its fetch ends with an error
            self._session.cancel()
        else:
            self._session.end()

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Session:
    """The connection of an export, made when it is first read; it ends once.

    `complete`: everything was read.
    """

    def __init__(self, connect: Callable[[], Connection], released: Callable[[], None]) -> None:
        self._connect = connect
        self._released = released
        self._connection: Connection | None = None
        self._ended = False
        self.complete = False

    def begin(self) -> Connection:
        self._connection = self._connect()
        return self._connection

    def cancel(self) -> None:
        if self._connection is not None:
            self._connection.cancel()

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._connection is not None:
            self._connection.close()
        self._released()


def _read(
    session: _Session, wanted: LogFilter, between: Bounds
) -> Generator[LogRecordView, None, None]:
    since, until = between
    try:
        connection = session.begin()
        with asking(connection, NARROW):
            # a partition that is emptied meanwhile is empty in every snapshot, so hold them all
            ask(connection, "hold_partitions", conditions(LogFilter(), since, until))
            stretches = ask(connection, "stretches_between", since=since, until=until)
            for low, high in stretches if wanted.order == "desc" else reversed(stretches):
                part = conditions(wanted, *part_of((low, high), between))
                with contextlib.closing(
                    walk(connection, "export", part, order=wanted.order)
                ) as found:
                    for row in found:
                        yield LogRecordView(*row)
        session.complete = True
    finally:
        session.end()
