"""One trace from its beginning: when each record came, and where it went wrong.

A beginning of the id will do when it is that of one trace only: two traces mixed into one answer
would look like one request.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import psycopg

from dewey_logs.answers import Trace, TraceRecord
from dewey_logs.budget import ask, asking, limited, walk
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.cursors import make_cursor
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, check_limit, conditions
from dewey_logs.rows import LogRecordView

MAX_RECORDS = 10_000
MAX_BYTES = 16_777_216
MAX_COUNTED = 100_000
ERROR_TIMEOUT_MS = 1_500  # finds one within the first half million records
DEFAULT_RECORDS = 1_000
MILLISECOND = timedelta(milliseconds=1)


def trace(connection: Connection, trace_id: str, limit: int = DEFAULT_RECORDS) -> Trace | None:
    """Return the trace's first `limit` records and what is to say of all, None when there is none.

    They are fewer where their messages and data come to more than 16 MB. `trace_id` is whole, or at
    least 8 digits that a UUID begins with. Raises BadFilter (also for the beginning of several
    traces), QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_limit(limit, MAX_RECORDS)
    matching = conditions(LogFilter(trace_id=trace_id), None, None)
    with asking(connection, "give the whole trace_id, or a lower limit"):
        [(whole, one, other)] = ask(connection, "traces_matching", matching, given=trace_id)
        found = whole or one
        if found is None:
            return None
        if whole is None and other is not None:
            raise BadFilter(
                f"trace_id={trace_id} is the beginning of several traces, as {one} and {other}: "
                "give more of it"
            )
        records, truncated = _records(connection, found, limit)
        if truncated:
            [(total, ended, components)] = ask(
                connection, "trace_summary", trace=found, rows=MAX_COUNTED + 1
            )
            first_error, scan_incomplete = _first_error(connection, found)
        else:
            total, ended = len(records), records[-1].created_at
            components = dict.fromkeys(record.component for record in records)
            first_error = next((record for record in records if record.level == "ERROR"), None)
            scan_incomplete = False
    matched, capped = min(total, MAX_COUNTED), total > MAX_COUNTED
    moments = [datetime.fromisoformat(record.created_at) for record in records]
    gaps = [timedelta(), *(later - earlier for earlier, later in pairwise(moments))]
    return Trace(
        trace_id=found,
        rows=tuple(
            TraceRecord(record, (at - moments[0]) / MILLISECOND, gap / MILLISECOND)
            for record, at, gap in zip(records, moments, gaps, strict=True)
        ),
        returned=len(records),
        truncated=truncated,
        next_cursor=following(found, records[-1], matched, capped) if truncated else None,
        matched=matched,
        matched_capped=capped,
        started=records[0].created_at,
        ended=ended,
        duration_ms=(datetime.fromisoformat(ended) - moments[0]) / MILLISECOND,
        components=tuple(components),
        first_error=first_error,
        scan_incomplete=scan_incomplete,
        strategy="trace",
        took_ms=(time.perf_counter() - began) * 1000,
    )


def following(trace_id: str, last: LogRecordView, matched: int, capped: bool) -> str:
    """Return where a query for the rest of the trace, the oldest first, goes on behind a record."""
    wanted = LogFilter(trace_id=trace_id, order="asc")
    key = datetime.fromisoformat(last.created_at), UUID(last.id).bytes
    return make_cursor(wanted, key, (None, None), matched, capped)


def _first_error(connection: Connection, trace_id: str) -> tuple[LogRecordView | None, bool]:
    """Return the first error of a trace, and whether there was too little time to find one."""
    try:
        with limited(connection, ERROR_TIMEOUT_MS):
            found = ask(connection, "trace_first_error", trace=trace_id)
    except psycopg.errors.QueryCanceled:
        give_up_if_cancelled()
        return None, True
    return (LogRecordView(*found[0]) if found else None), False


def _records(
    connection: Connection, trace_id: str, limit: int
) -> tuple[tuple[LogRecordView, ...], bool]:
    """Return the first records of a trace, and whether there are more."""
    records: list[LogRecordView] = []
    size = 0
    with closing(walk(connection, "trace_records", trace=trace_id, rows=limit + 1)) as rows:
        for *record, n_bytes in rows:
            size += n_bytes
            if len(records) == limit or (records and size > MAX_BYTES):
                return tuple(records), True
            records.append(LogRecordView(*record))
    return tuple(records), False
