"""The most frequent values of a field: of all records by the rollups, or of the newest that match.

Components and levels are summed up from the rollups where the filter allows. Everything else is
looked at record by record, so it stops at the newest 20,000 and says that it did.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any, LiteralString

from dewey_logs.answers import Facets, FacetValue
from dewey_logs.budget import Counted, Row, ask, ask_by_partition, asking, only_counts
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, bounds, check_limit, conditions
from dewey_logs.summary import whole_minutes
from dewey_logs.times import rfc3339

MAX_SCANNED = 20_000
MAX_PATH_CHARS = 200
MAX_VALUE_CHARS = 256  # of a stack trace as a value: a record may have a quarter of a megabyte
COLUMNS: dict[str, LiteralString] = {
    "component": "component",
    "level": "level::text",
    "trace_id": "trace_id",
}
IN_ROLLUPS = ("component", "level")
# a key may have dots itself, as those of OpenTelemetry do
DATA: LiteralString = "left(coalesce(data ->> %(key)s, data #>> %(path)s::text[]), %(chars)s)"
_KEY = r"[^.\0\ud800-\udfff]+"  # PostgreSQL takes neither a NUL nor half of a character
_PATH = re.compile(rf"{_KEY}(?:\.{_KEY})*")


def facets(
    connection: Connection,
    field: str,
    wanted: LogFilter,
    *,
    scan: int = MAX_SCANNED,
    now: datetime | None = None,
) -> Facets:
    """Return the values of a field, the most frequent first, `wanted.limit` of them.

    `field` is component, level, trace_id or a path into data, as `user` or `data.http.method`; at
    most `scan` records are looked at. Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_limit(wanted.limit)
    check_limit(scan, MAX_SCANNED, "scan")
    value, bound = _value(field)
    since, until = bounds(wanted, now or datetime.now(UTC))
    conditions(wanted, since, until)
    with asking(connection, "narrow since or component, or look at fewer records"):
        if field in IN_ROLLUPS and only_counts(wanted):
            low, high = whole_minutes(since, until)
            matching = conditions(wanted, low, high)
            found = ask(connection, "facets_rollup", matching, value=value, low=low, high=high)
            counted = Counted(found, None)
            strategy = "rollup"
        else:

            def rest(rows: list[Row]) -> dict[str, Any] | None:
                left = scan - sum(row[1] for row in rows)
                return {**bound, "rows": left} if left > 0 else None

            counted = ask_by_partition(
                connection, "facets_counted", wanted, (since, until), rest, value=value
            )
            strategy = "newest"
    sums: dict[Any, int] = {}
    for one, n in counted.rows:
        sums[one] = sums.get(one, 0) + n
    matched = sum(sums.values())
    sampled = strategy == "newest" and matched >= scan
    missing = sums.pop(None, 0)
    top = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return Facets(
        field=field,
        values=tuple(FacetValue(*item) for item in top[: wanted.limit]),
        distinct=len(sums),
        missing=missing,
        sampled=sampled,
        returned=len(top[: wanted.limit]),
        truncated=len(top) > wanted.limit,
        matched=matched,
        matched_capped=sampled or counted.reached is not None,
        scan_incomplete=counted.reached is not None,
        reached=None if counted.reached is None else rfc3339(counted.reached),
        strategy=strategy,
        took_ms=(time.perf_counter() - began) * 1000,
    )


def _value(field: str) -> tuple[LiteralString, dict[str, object]]:
    """Return a field as SQL, and what that binds."""
    if field in COLUMNS:
        return COLUMNS[field], {}
    path = field.removeprefix("data.")
    if len(path) > MAX_PATH_CHARS or not _PATH.fullmatch(path):
        raise BadFilter(
            f"field={field!r:.60} is none: try component, level, trace_id, or a path in data "
            "like user or http.method"
        )
    return DATA, {"key": path, "path": path.split("."), "chars": MAX_VALUE_CHARS}
