"""How much there is of what, and since when: summed up from the rollups, never counted.

The rollups know time to the minute, so the time asked for is widened to whole minutes. The oldest
and the newest record are then looked up within the hour that the rollups name.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from dewey_logs.answers import ComponentCounts, DayCounts, Summary
from dewey_logs.budget import Row, ask, asking, only_counts
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, bounds, check_limit, conditions
from dewey_logs.histogram import level_counts
from dewey_logs.times import EPOCH, rfc3339

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def summary(
    connection: Connection,
    wanted: LogFilter,
    now: datetime | None = None,
    *,
    disk: bool = True,
) -> Summary:
    """Return the counts of records by component, level and day; `limit` is of the components.

    Without `disk` no file is looked at for what the days take, which a third of the time goes to.

    The filter speaks of time, component and level alone. Raises BadFilter, QueryTimeout,
    Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    if not only_counts(wanted):
        raise BadFilter("totals know time, component and level only: use query for anything else")
    check_limit(wanted.limit)
    since, until = bounds(wanted, now or datetime.now(UTC))
    low, high = whole_minutes(since, until)
    matching = conditions(wanted, low, high)
    with asking(connection, "narrow since, until or component"):
        rows = ask(connection, "summary_rollup", matching, low=low, high=high, origin=EPOCH)
        sizes = ask(connection, "disk_by_day", origin=EPOCH) if disk else None
        oldest = newest = None
        if rows:
            first, last = min(row[5] for row in rows), max(row[6] for row in rows)
            between = low, high
            oldest = _edge(connection, "oldest_matching", wanted, first, between)
            newest = _edge(connection, "newest_matching", wanted, last, between)
    on_disk = None if sizes is None else {day: int(size) for day, size in sizes}
    components = _components(rows)
    return Summary(
        since=None if low is None else rfc3339(low),
        until=None if high is None else rfc3339(high),
        bytes=sum(row[4] for row in rows),
        disk_bytes=None if on_disk is None else sum(on_disk.values()),
        oldest=oldest,
        newest=newest,
        levels=level_counts((row[1], row[3]) for row in rows),
        components=components[: wanted.limit],
        days=_days(rows, on_disk),
        returned=len(components[: wanted.limit]),
        truncated=len(components) > wanted.limit,
        matched=sum(row[3] for row in rows),
        strategy="rollup",
        took_ms=(time.perf_counter() - began) * 1000,
    )


def whole_minutes(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return the bounds widened to the minutes that the rollups know."""
    return (
        None if since is None else EPOCH + (since - EPOCH) // MINUTE * MINUTE,
        None if until is None else EPOCH - (EPOCH - until) // MINUTE * MINUTE,
    )


def _edge(
    connection: Connection,
    name: str,
    wanted: LogFilter,
    first: datetime,
    between: tuple[datetime | None, datetime | None],
) -> str | None:
    """Return the time of the first or last record, by looking in the hour from `first` on.

    Where a clear has emptied that hour and its counts are not merged yet, it takes a walk.
    """
    low, high = between
    hour = max(first, low or first), min(first + HOUR, high or first + HOUR)
    for low, high in (hour, between):
        found = ask(connection, name, conditions(wanted, low, high))
        if found:
            return str(found[0][0])
    return None


def _components(rows: list[Row]) -> tuple[ComponentCounts, ...]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[0]].append(row)
    found = [
        ComponentCounts(
            component, level_counts((row[1], row[3]) for row in group), sum(row[4] for row in group)
        )
        for component, group in grouped.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.counts.total, one.component)))


def _days(rows: list[Row], disk: dict[datetime, int] | None) -> tuple[DayCounts, ...]:
    grouped: defaultdict[datetime, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[2]].append(row)
    return tuple(
        DayCounts(
            f"{day:%Y-%m-%d}",
            level_counts((row[1], row[3]) for row in group),
            sum(row[4] for row in group),
            None if disk is None else disk.get(day, 0),
        )
        for day, group in sorted(grouped.items())
    )
