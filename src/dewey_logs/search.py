"""Words and data: through an index where there is one, in slices of time where there is none.

Left alone, the planner walks a day backwards for a rare word and needs twenty seconds where the
index needs two milliseconds. So every stretch of time that is indexed as one, a partition or a part
of it, is asked on its own, in the order of the page; its bounds are what lets the planner use the
index of a part. It says first how many hits it has: few are fetched through the index and sorted;
of many the next ones are found by walking, and by sorting all hits where they lie far apart. What
has no index is read in slices that grow while they are fast, under a budget: what was not reached
is told, and the next page goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

import psycopg

from dewey_logs import sizes
from dewey_logs.cancellation import give_up_if_cancelled
from dewey_logs.database import Connection
from dewey_logs.filters import Conditions, LogFilter
from dewey_logs.plans import BITMAPS_ONLY, SLICES_ONLY, WALKS_ONLY
from dewey_logs.statements import filled_in, statement

MAX_HITS = 20_000  # sorted in 100 ms; with more of them a walk finds a page as soon
QUICKER = 4  # a walk that takes no message apart does with a quarter of them
MAX_MATCHED = 1_000
BUDGET_S = 4.0  # for what no index covers; a statement may take 5 s
WALK_MS = 300
FIRST_SLICE_ROWS = 5_000
QUICK_S, SLOW_S = 0.15, 0.6  # a slice takes between these, or the next one is longer or shorter
SLICE_S = 1.2  # then it is cut down
SHORTEST = timedelta(milliseconds=1)
LEAST = timedelta(microseconds=1)
MIN_PROBE_MS = 200
KEY_TRIES = 3

Row = tuple[Any, ...]


class Found(NamedTuple):
    """One page's rows and one more, if there is one.

    `matched` is how many there are at least, exactly unless `capped`. Where the budget ended the
    scan, `reached` is the time up to which everything was looked at.
    """

    rows: list[Row]
    matched: int
    capped: bool
    reached: datetime | None
    strategy: str


class _Stretch(NamedTuple):
    low: datetime
    high: datetime
    indexed: bool


class Index(NamedTuple):
    """What can narrow a search down: the statement that says where it is, and what it answers.

    `also` is a condition that holds wherever the others do, but for an index.
    """

    stretches: LiteralString
    also: LiteralString = "true"


WORDS_AND_DATA = Index("search_stretches")


class Search:
    """One page of a search; `start` is where a cursor goes on, None at the beginning.

    `index` can narrow it down, None: nothing can. `quick` says that hardly a message has to be
    taken apart that does not match.
    """

    def __init__(
        self,
        connection: Connection,
        wanted: LogFilter,
        between: tuple[datetime | None, datetime | None],
        matching: Conditions,
        following: Conditions,
        start: datetime | None,
        index: Index | None,
        *,
        quick: bool,
    ) -> None:
        self._connection = connection
        self._newest_first = wanted.order == "desc"
        self._missing = wanted.limit + 1
        self._between = between
        self._where = matching.where, following.where
        self._values = {**matching.values, **following.values}
        self._start = start
        self._index = index
        self._max_hits = MAX_HITS // QUICKER if quick else MAX_HITS
        self._deadline = time.monotonic() + BUDGET_S
        self._rows: list[Row] = []
        self._bytes = 0
        self._used: dict[str, None] = {}
        self._progressed = False

    def run(self) -> Found:
        """Return the page; raises psycopg.Error."""
        matched, capped = 0, False
        reached = None
        for stretch in self._stretches():
            by_index = self._index is not None and stretch.indexed
            if self._is_full():
                # how many more there are is worth a look into an index only, and a cursor knows it
                if not by_index or matched > MAX_MATCHED or self._start is not None:
                    capped = True
                    break
                hits, _ = self._hits(stretch, 0, MAX_MATCHED - matched)
                if hits is None:
                    capped = True
                    break
                matched += hits
                continue
            if self._progressed and time.monotonic() > self._deadline:
                reached = stretch.high if self._newest_first else stretch.low
                break
            before = len(self._rows)
            hits = self._by_index(stretch) if by_index else None
            if hits is None:
                reached = self._by_scan(stretch)
                hits = len(self._rows) - before
                capped |= self._is_full()
            matched += hits
            if reached is not None:
                break
            self._progressed = True
        capped |= reached is not None or matched > MAX_MATCHED
        return Found(
            self._rows, min(matched, MAX_MATCHED), capped, reached, "+".join(self._used) or "none"
        )

    def _is_full(self) -> bool:
        """Say whether the page ends with what there is: in rows and one more, or in bytes."""
        cut = self._bytes > sizes.MAX_BYTES and len(self._rows) > 1  # the first is always shown
        return cut or len(self._rows) >= self._missing

    def _add(self, rows: list[Row]) -> None:
        self._rows += rows
        self._bytes += sum(row[-1] for row in rows)

    def _stretches(self) -> Iterator[_Stretch]:
        """Yield what the window and the cursor leave of each stretch, in the page's order."""
        since, until = self._between
        if self._start is not None and self._newest_first:
            following = self._start + LEAST
            until = following if until is None else min(until, following)
        elif self._start is not None:
            since = self._start if since is None else max(since, self._start)
        all_of_them = self._index.stretches if self._index else "search_partitions"
        found = [_Stretch(*row) for row in self._connection.execute(statement(all_of_them))]
        for stretch in reversed(found) if self._newest_first else found:
            low = stretch.low if since is None else max(stretch.low, since)
            high = stretch.high if until is None else min(stretch.high, until)
            if low < high:
                yield stretch._replace(low=low, high=high)

    def _by_index(self, stretch: _Stretch) -> int | None:
        """Add the next rows of an indexed stretch; return how many match, up to a limit.

        None: the index narrows this search down too little to end in time.
        """
        missing = self._missing - len(self._rows)
        for _ in range(KEY_TRIES):
            hits, keys = self._hits(stretch, missing, self._max_hits)
            if hits is None:
                return None
            self._used["index"] = None
            if hits > self._max_hits:
                found = self._walked(stretch, missing)
                self._add(found or [])
                return None if found is None else hits
            rows = self._fetched(stretch, keys)
            if len(rows) == len(keys):  # else some were removed in between
                self._add(rows)
                return hits
        return None

    def _walked(self, stretch: _Stretch, missing: int) -> list[Row] | None:
        """Return the next rows of many, None where neither way ends in time."""
        try:
            return self._page(stretch, missing, WALKS_ONLY, WALK_MS)
        except psycopg.errors.QueryCanceled:
            give_up_if_cancelled()
        try:
            keys = self._query("search_keys", stretch, missing, BITMAPS_ONLY, self._half_ms())
        except psycopg.errors.QueryCanceled:
            give_up_if_cancelled()
            return None
        return self._fetched(stretch, keys)

    def _half_ms(self) -> int:
        """Return half of the time left, which leaves some for a scan."""
        return max(int((self._deadline - time.monotonic()) * 1000) // 2, MIN_PROBE_MS)

    def _hits(self, stretch: _Stretch, missing: int, most: int) -> tuple[int | None, list[Row]]:
        """Return how many match, up to `most` and one, and the keys of the next ones.

        None instead of a number when that takes longer than there is time for.
        """
        try:
            found = self._query(
                "search_hits", stretch, missing, BITMAPS_ONLY, self._half_ms(), hits=most + 1
            )
        except psycopg.errors.QueryCanceled:
            give_up_if_cancelled()
            return None, []
        return found[0][0], [row[1:] for row in found if row[1] is not None]

    def _fetched(self, stretch: _Stretch, keys: list[Row]) -> list[Row]:
        if not keys:
            return []
        ats, ids = zip(*keys, strict=True)
        return self._query("search_rows", stretch, 0, (), ats=list(ats), ids=list(ids))

    def _by_scan(self, stretch: _Stretch) -> datetime | None:
        """Add the next rows of a stretch by reading it; return where the budget ended that.

        The first slice holds a few thousand rows, by looking where they lie: statistics know
        nothing of bursts. One that takes too long is cut down, and the first one of a page is read
        to its end, however late it is: every page comes further than the one before.
        """
        self._used["scan"] = None
        first, last = self._query("search_reach", stretch, FIRST_SLICE_ROWS, WALKS_ONLY)[0]
        if first is None:
            return None
        stretch = (
            stretch._replace(high=last + LEAST)
            if self._newest_first
            else stretch._replace(low=first)
        )
        edge = stretch.high if self._newest_first else stretch.low
        span = max(last - first, SHORTEST)
        while True:
            low = max(stretch.low, edge - span) if self._newest_first else edge
            high = edge if self._newest_first else min(stretch.high, edge + span)
            if low >= high:
                return None
            began = time.monotonic()
            left_s = self._deadline - began
            if left_s <= 0 and self._progressed:
                return edge
            missing = self._missing - len(self._rows)
            shortest = high - low <= SHORTEST
            limit_s = None if shortest else SLICE_S if left_s <= 0 else min(SLICE_S, left_s)
            try:
                rows = self._page(
                    stretch._replace(low=low, high=high),
                    missing,
                    SLICES_ONLY,
                    None if limit_s is None else max(int(limit_s * 1000), 1),
                )
            except psycopg.errors.QueryCanceled:
                give_up_if_cancelled()
                if shortest:
                    raise
                span = (high - low) / 8
                continue
            self._add(rows)
            self._progressed = True
            if self._is_full():
                return None
            edge = low if self._newest_first else high
            took = time.monotonic() - began
            span = span * 4 if took < QUICK_S else span / 2 if took > SLOW_S else span

    def _page(
        self, stretch: _Stretch, missing: int, without: tuple[str, ...], timeout_ms: int | None
    ) -> list[Row]:
        return self._query("search_page", stretch, missing, without, timeout_ms)

    def _query(
        self,
        name: LiteralString,
        stretch: _Stretch,
        missing: int,
        without: tuple[str, ...],
        timeout_ms: int | None = None,
        **more: object,
    ) -> list[Row]:
        """Run one statement, without what the planner had better not think of."""
        give_up_if_cancelled()
        matching, following = self._where
        if self._index and without is BITMAPS_ONLY:
            matching = f"{self._index.also} AND {matching}"
        query = filled_in(
            statement(name),
            matching=matching,
            following=following,
            order="DESC" if self._newest_first else "ASC",
        )
        with self._connection.transaction():
            settings = dict.fromkeys(without, "off")
            if timeout_ms is not None:
                settings["statement_timeout"] = str(timeout_ms)
            if settings:
                chosen = {"names": list(settings), "values": list(settings.values())}
                self._connection.execute(statement("set_locally"), chosen)
            bounds = {"low": stretch.low, "high": stretch.high}
            values = {**self._values, **bounds, "rows": missing, **more}
            return self._connection.execute(query, values).fetchall()
