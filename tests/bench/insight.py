"""What is asked of a store besides pages: eight days of rows, two hours of them with 400,000 each.

Rows are made by the server itself, with their rollups merged as maintenance leaves them; then with
those of a minute, and of an hour, as batches of 1,000 at 10,000 records a second leave them.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from dewey_logs import LogFilter, Store, open_store
from dewey_logs.sealing import seal
from tests.bench.store import database

ROUNDS = 20
DAYS = 8
BUSY_ROWS = 400_000
Figure = dict[str, object]

ROWS = """
INSERT INTO logs (created_at, pattern, id, level, component, trace_id, message, data)
SELECT at, p,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '80008'
        || lpad(to_hex(%(first)s::bigint + i), 15, '0'))::uuid,
       (CASE WHEN i %% 997 = 0 THEN 'ERROR'
             ELSE (ARRAY['INFO', 'INFO', 'INFO', 'DEBUG', 'WARN'])[1 + i %% 5] END)::log_level,
       'shop.service-' || i %% 7,
       md5((%(first)s::bigint + i) / 10 || '')::uuid::text,
       format('step-%%s request %%s handled: GET /api/orders/%%s took %%s ms',
              p, i, i * 37 %% 90000, i %% 950),
       jsonb_build_object('order', i, 'user', 'user-' || i %% 5000, 'ms', i %% 950,
                          'http.method', 'GET')
FROM (SELECT i, %(low)s::timestamptz + i * %(step_us)s::float8 * interval '1 microsecond' AS at,
             (300 * power(random(), 3))::bigint AS p
      FROM generate_series(0, %(count)s::int - 1) i) r
"""
ROLLUPS = (
    "INSERT INTO logs_rollup SELECT date_trunc('minute', created_at, 'UTC'), level, component,"
    " count(*), sum(octet_length(message)) FROM logs GROUP BY 1, 2, 3",
    "INSERT INTO logs_pattern_rollup SELECT date_trunc('hour', created_at, 'UTC'), pattern,"
    " count(*) FROM logs GROUP BY 1, 2",
    "INSERT INTO logs_pattern SELECT pattern, 'step-' || pattern || ' request <*> handled',"
    " min(created_at), (array_agg(id ORDER BY created_at, id))[1] FROM logs GROUP BY 1",
    "SELECT dewey_merge_rollups()",
    "VACUUM (ANALYZE) logs_rollup, logs_rollup_hour, logs_pattern_rollup, logs_pattern",
    "VACUUM (ANALYZE) logs",
)
UNMERGED = """
INSERT INTO logs_rollup
SELECT %(low)s::timestamptz + b / 600 * interval '1 minute', l::log_level, 'shop.service-' || c,
       1, 90
FROM generate_series(0, %(batches)s::int - 1) b, unnest(ARRAY['INFO', 'DEBUG', 'WARN']) l,
     generate_series(0, 6) c
"""


def fill(url: str, rows_a_day: int = 100_000) -> datetime:
    """Put the rows in; return when the first of the two busy hours begins."""
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    busy = today - timedelta(hours=14)
    stretches = [(today - timedelta(days=d), timedelta(days=1), rows_a_day) for d in range(1, DAYS)]
    stretches += [(today, now - today, rows_a_day)]
    stretches += [(busy + timedelta(hours=h), timedelta(hours=1), BUSY_ROWS) for h in range(2)]
    with psycopg.connect(url, autocommit=True) as connection:
        for number, (low, length, count) in enumerate(stretches):
            connection.execute("SELECT dewey_ensure_partition(%s)", (low,))
            step_us = length / timedelta(microseconds=1) / count
            values = {"low": low, "step_us": step_us, "count": count, "first": number * 10**9}
            connection.execute(ROWS, values)
        seal(url)
        for statement in ROLLUPS:
            connection.execute(statement)
    return busy


def questions(store: Store, busy: datetime) -> dict[str, Callable[[], object]]:
    """Return what is asked; `busy` is where the first of the two full hours begins."""
    hour, ragged = timedelta(hours=1), timedelta(minutes=25)
    [record] = store.query(LogFilter(until=(busy + hour).isoformat(), limit=1)).rows
    at, trace_id = datetime.fromisoformat(record.created_at), record.trace_id or ""

    def window(low: datetime) -> LogFilter:
        return LogFilter(since=low.isoformat(), until=(low + hour).isoformat())

    week, one = LogFilter(since="7d"), LogFilter(since="7d", component=("shop.service-3",))
    words = LogFilter(since="7d", search="step-299")
    return {
        "context by id": lambda: store.context(record.id),
        "context by id and time": lambda: store.context(record.id, at),
        "context by an id without a time": lambda: store.context(str(uuid.uuid4())),
        "trace": lambda: store.trace(trace_id),
        "trace by its beginning": lambda: store.trace(trace_id[:13]),
        "summary, 7 days": lambda: store.summary(week),
        "histogram, 7 days": lambda: store.histogram(week),
        "histogram, 1 day by 30 minutes": lambda: store.histogram(LogFilter(since="1d")),
        "histogram, 7 days, a rare word": lambda: store.histogram(words),
        "patterns, 7 days": lambda: store.patterns(week),
        "patterns, 7 days, one component": lambda: store.patterns(one),
        "comparison, two full hours": lambda: store.compare(window(busy), window(busy + hour)),
        "comparison, two ragged hours": lambda: store.compare(
            window(busy + ragged - hour), window(busy + ragged)
        ),
        "facets of component, 7 days": lambda: store.facets("component", week),
        "facets of data, newest 20,000": lambda: store.facets("user", week),
    }


def measured(store: Store, busy: datetime, where: str) -> Iterator[Figure]:
    for what, ask in questions(store, busy).items():
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - began)
        for name, value in (
            ("p50", statistics.median(seconds)),
            ("p95", statistics.quantiles(seconds, n=20)[18]),
        ):
            yield {"what": f"{what}{where}, {name}", "value": round(value * 1000, 1), "unit": "ms"}


def exported(store: Store) -> Iterator[Figure]:
    began = time.perf_counter()
    with store.export(LogFilter()) as export:
        count = sum(1 for _ in export)
    rate = count / (time.perf_counter() - began)
    yield {"what": f"export of {count:,} records", "value": round(rate), "unit": "rows/s"}


def run() -> list[Figure]:
    with database() as url, open_store(url) as store:
        busy = fill(url)
        found = [*measured(store, busy, ""), *exported(store)]
        with psycopg.connect(url, autocommit=True) as connection:
            for minutes, where in ((1, "a minute"), (60, "an hour")):
                values = {"low": busy, "batches": 600 * minutes}
                connection.execute(UNMERGED, values)
                found += measured(store, busy, f", {where} unmerged at 10,000/s")
                began = time.perf_counter()
                connection.execute("SELECT dewey_merge_rollups()")
                took = time.perf_counter() - began
                found += [{"what": f"merging {where}", "value": round(took, 2), "unit": "s"}]
    return found


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['what']}: {figure['value']:,} {figure['unit']}")
