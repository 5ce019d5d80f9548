"""One trace from its beginning: when each record came, and where it went wrong.

A beginning of the id will do when it is that of one trace only: two traces mixed into one answer
would look like one request. PostgreSQL takes a trace of many records to be spread over all time and
would look for it among all others; it is left the index by trace alone.
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
from dewey_logs.filters import Conditions, LogFilter, check_limit, conditions, trace_forms
from dewey_logs.plans import WALKS_ONLY, without
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
    conditions(LogFilter(trace_id=trace_id), None, None)  # says what is wrong with it
    with asking(connection, "give the whole trace_id, or a lower limit"):
        exact, first, last = traces_named(connection, trace_id)
        found = exact or first
        if found is None:
            return None
        if exact is None and first != last:
            raise BadFilter(
                f"trace_id={trace_id} is the beginning of several traces, as {first} and {last}: "
                "give more of it"
            )
        with without(connection, WALKS_ONLY):
            records, truncated = _records(connection, found, limit)
            if truncated:
                [(total, ended, components)] = ask(
                    connection, "trace_summary", trace=found, rows=MAX_COUNTED + 1
                )
                first_error, scan_incomplete = _first_error(connection, found)
        if not truncated:
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


def traces_named(
    connection: Connection, trace_id: str
) -> tuple[str | None, str | None, str | None]:
    """Return the trace of exactly that id, and the first and the last one that it may mean."""
    whole, beginning = trace_forms(trace_id)
    matching = Conditions()
    if beginning is None:
        matching.add("trace_id >= %(whole)s AND trace_id <= %(whole)s", whole=whole)
    else:
        matching.add("trace_id ^@ %(trace_uuid)s AND length(trace_id) = 36", trace_uuid=beginning)
    with without(connection, WALKS_ONLY):
        [found] = ask(connection, "traces_matching", matching, trace=trace_id)
    return found[0], found[1], found[2]


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
