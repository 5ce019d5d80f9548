"""The records around a record, in the log's own order.

A record's key is its time and its id, and no index is on the id alone: it would cost every insert,
and ids of ours carry their milliseconds, as those of version 7 do. So a record is looked for at the
time in its id, then among those that were stored under another time, then near that time. An id
that says nothing is looked for in the keys of all partitions, the newest first: half a second for
each ten million, and the answer says so (`scan`). Whoever knows the time gives it.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from dewey_logs import sizes
from dewey_logs.answers import Context
from dewey_logs.budget import Row, ask, asking
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import Conditions
from dewey_logs.plans import Named, walk_names
from dewey_logs.rows import LogRecordView
from dewey_logs.sizes import fitting
from dewey_logs.times import EPOCH, check_year

MAX_AROUND = 500
NEAR = timedelta(seconds=10)
SOON = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
TIMED_VERSIONS = (7, 8)

Same = Literal["component", "trace"]
COLUMNS: dict[Same, Named] = {"component": "component", "trace": "trace_id"}


def around(
    connection: Connection,
    record_id: str,
    created_at: datetime | None = None,
    *,
    before: int = 10,
    after: int = 10,
    same: Same | None = None,
) -> Context | None:
    """Return the record and its neighbours, None when there is no such record.

    `created_at` may be cut to milliseconds. `same` leaves out other components, or other traces.
    Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    key = _uuid(record_id)
    for name, count in (("before", before), ("after", after)):
        if not 0 <= count <= MAX_AROUND:
            raise BadFilter(f"{name}={count} is not possible: allowed is 0 to {MAX_AROUND}")
    if created_at is not None:
        check_year("created_at", created_at)
    if same not in (None, "component", "trace"):
        raise BadFilter(f"same={same!r:.40} is not known: allowed are component and trace")
    with asking(connection, "the id has no time in it, so give the record's created_at as well"):
        record, strategy = _find(connection, key, created_at)
        if record is None:
            return None
        at = datetime.fromisoformat(record.created_at)
        where: dict[str, Any] = {"at": at, "key": key, "bytes": sizes.MAX_BYTES}
        if same is None:
            earlier = ask(connection, "records_before", rows=before + 1, **where)
            later = ask(connection, "records_after", order="asc", rows=after + 1, **where)
        else:
            beside = at, key, COLUMNS[same], _name(record, same)
            earlier = _beside_by_name(connection, *beside, before + 1, newest_first=True)
            later = _beside_by_name(connection, *beside, after + 1, newest_first=False)
    left, right = fitting(earlier[:before]), fitting(later[:after])
    more_before, more_after = len(earlier) > len(left), len(later) > len(right)
    return Context(
        rows=(*reversed(left), record, *right),
        position=len(left),
        returned=len(left) + 1 + len(right),
        truncated=more_before or more_after,
        matched=len(left) + 1 + len(right),
        matched_capped=more_before or more_after,
        more_before=more_before,
        more_after=more_after,
        strategy=strategy,
        took_ms=(time.perf_counter() - began) * 1000,
    )


def _find(
    connection: Connection, key: UUID, created_at: datetime | None
) -> tuple[LogRecordView | None, str]:
    inside = _time_in(key)
    if created_at is not None:
        record = _within(connection, key, created_at, created_at + MILLISECOND)
        if record is not None:
            return record, "time"
    if inside is not None:
        record = _within(connection, key, inside, inside + MILLISECOND)
        if record is not None:
            return record, "id"
    for (moved_to,) in ask(connection, "moved_to", key=key):
        record = _within(connection, key, moved_to, moved_to + MILLISECOND)
        if record is not None:
            return record, "moved"
    if inside is not None:
        record = _within(connection, key, inside - NEAR, inside + NEAR)
        if record is not None:
            return record, "id"
    found = ask(connection, "record_anywhere", key=key)
    return (LogRecordView(*found[0]), "scan") if found else (None, "scan")


def _time_in(key: UUID) -> datetime | None:
    """Return the time that an id carries; one that no record can be of is none."""
    if key.version not in TIMED_VERSIONS:
        return None
    try:
        inside = EPOCH + timedelta(milliseconds=key.int >> 80)
        check_year("id", inside)
    except (OverflowError, BadFilter):
        return None
    return inside


def _within(
    connection: Connection, key: UUID, low: datetime, high: datetime
) -> LogRecordView | None:
    found = ask(connection, "record_within", key=key, low=low, high=high)
    return LogRecordView(*found[0]) if found else None


def _name(record: LogRecordView, same: Same) -> str:
    """Return what the neighbours have in common with the record."""
    if same == "component":
        return record.component
    if record.trace_id is None:
        raise BadFilter("same=trace is not possible: the record belongs to no trace")
    return record.trace_id


def _beside_by_name(
    connection: Connection,
    at: datetime,
    key: UUID,
    column: Named,
    name: str,
    rows: int,
    *,
    newest_first: bool,
) -> list[Row]:
    """Return the neighbours on one side that its component wrote, or its trace, from its index.

    Most have them within the hour, and to look into one partition takes less than into all.
    """
    side, soon = Conditions(), Conditions()
    if newest_first:
        side.add("(created_at, id) < (%(at)s, %(key)s) AND created_at <= %(at)s", at=at, key=key)
        soon.add("created_at > %(low)s", low=at - SOON)
    else:
        side.add("(created_at, id) > (%(at)s, %(key)s) AND created_at >= %(at)s", at=at, key=key)
        soon.add("created_at < %(high)s", high=at + SOON)
    found: list[Row] = []
    for within in (soon, Conditions()):
        found = walk_names(
            connection, column, [name], within, side, rows, newest_first=newest_first
        )
        if len(found) == rows:
            break
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise BadFilter(f"id={text!r:.60} is no record's id: give the whole UUID") from None
