"""A store of ten million records over eight days of which every answer is known beforehand.

Everything about a record follows from its number, and numbers rise with time: what the newest
hundred of anything are is arithmetic. Seven days are sealed; today holds 1.4 million, of which
maintenance has indexed what it does: what is left without is as much as it ever is. Some components
and levels fell silent: the planner takes all of them to be spread evenly. `GODOT_BENCH_ROWS` makes
the store smaller.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest.mock import patch

import psycopg

from dewey_logs import sealing
from tests.bench.store import database

ROWS = int(os.environ.get("GODOT_BENCH_ROWS", "10000000"))
DAYS = 7  # over, and indexed
TODAY_ROWS = ROWS * 14 // 100
DAY_ROWS = (ROWS - TODAY_ROWS) // DAYS
BUSY_ROWS = ROWS * 4 // 100  # in each of two hours of a day
HOT_ROWS = ROWS * 4 // 100  # what maintenance leaves without an index, at most
SERVICES, VERBS, TOPICS, SHARDS, SPREAD = 7, 40, 1_000, 7, 50_000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

ROW = """
INSERT INTO logs (created_at, pattern, id, level, component, trace_id, message, data)
SELECT at, g %% 300 + CASE WHEN g %% 300 = 7 AND at >= %(turn)s THEN 1000 ELSE 0 END,
       (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '80008'
        || lpad(to_hex(g), 15, '0'))::uuid,
       (CASE WHEN %(debug)s THEN 'DEBUG' WHEN g %% 20 = 0 THEN 'WARN' WHEN g %% 5 = 0 THEN 'DEBUG'
             ELSE 'INFO' END)::log_level,
       CASE WHEN %(part)s <> '' AND g %% 2 = 0 THEN %(part)s || '.' || g / 2 %% 2
            ELSE 'shop.service-' || g %% 7 END,
       md5((g / 10)::text)::uuid::text,
       format('verb%%s request r%%s topic%%s in %%s ms shard%%s%%s',
              g %% 40, g, g %% 1000, g %% 950, g / 1000 %% 7,
              CASE WHEN g %% 50000 IN (77, 177, 277) THEN ' kraken' || g / 50000 END),
       jsonb_build_object('order', g, 'user', 'user-' || g %% 5000, 'ms', g %% 950)
FROM (SELECT g, %(low)s::timestamptz + (g - %(first)s) * %(step_us)s
                * interval '1 microsecond' AS at
      FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(records)s - 1) g) r
"""
MINUTES = (
    "INSERT INTO logs_rollup SELECT date_trunc('minute', created_at, 'UTC'), level, component,"
    " count(*), sum(octet_length(message)) FROM logs WHERE created_at >= %(low)s"
    " AND created_at < %(high)s GROUP BY 1, 2, 3"
)
COUNTS = (
    "INSERT INTO logs_pattern_rollup SELECT date_trunc('hour', created_at, 'UTC'), pattern,"
    " count(*) FROM logs GROUP BY 1, 2",
    "INSERT INTO logs_pattern SELECT DISTINCT ON (pattern) pattern,"
    " 'pattern ' || pattern || ' <*>', created_at, id"
    " FROM ((SELECT * FROM logs ORDER BY created_at, id LIMIT 10000) UNION ALL (SELECT * FROM logs"
    " WHERE created_at >= %(turn)s ORDER BY created_at, id LIMIT 10000)) first"
    " ORDER BY pattern, created_at, id",
    "SELECT dewey_merge_rollups()",
    "VACUUM (ANALYZE) logs_rollup, logs_rollup_hour, logs_pattern_rollup, logs_pattern",
    "VACUUM (ANALYZE) logs",
)


class Stretch(NamedTuple):
    """Records from number `first` on, spread over a time; if `part` is given, half are of it."""

    low: datetime
    high: datetime
    first: int
    records: int
    part: str = ""
    debug: bool = False

    def has(self, g: int) -> bool:
        return self.first <= g < self.first + self.records

    @property
    def step_us(self) -> int:
        return (self.high - self.low) // timedelta(microseconds=1) // self.records

    def at(self, g: int) -> datetime:
        return self.low + timedelta(microseconds=(g - self.first) * self.step_us)

    def cut(self, g: int) -> Iterator[Stretch]:
        """Yield what is of numbers below `g`, and the rest."""
        if not self.first < g < self.first + self.records:
            yield self
            return
        middle, end = self.at(g), self.first + self.records
        yield self._replace(high=middle, records=g - self.first)
        yield self._replace(low=middle, high=self.at(end), first=g, records=end - g)


class Corpus:
    """What the store holds; numbers below `sealed` are those of days that are over."""

    def __init__(self, now: datetime) -> None:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.stretches: list[Stretch] = []
        quiet = DAY_ROWS - 2 * BUSY_ROWS
        for ago in range(DAYS, 0, -1):
            low = today - ago * DAY
            if ago == 2:
                noon = low + 12 * HOUR
                self._add(low, noon, quiet // 2)
                self._add(noon, noon + HOUR, BUSY_ROWS)
                self._add(noon + HOUR, noon + 2 * HOUR, BUSY_ROWS)
                self._add(noon + 2 * HOUR, low + DAY, quiet - quiet // 2)
                self.busy = noon
            else:
                self._add(low, low + DAY, DAY_ROWS, "retired" if ago > 3 else "")
        self.sealed = self.rows
        morning, late = TODAY_ROWS // 3, TODAY_ROWS // 20
        span = now - today
        marks = [today, today + span / 3, now - span / 20, now]
        self._add(marks[0], marks[1], morning, "night")
        self._add(marks[1], marks[2], TODAY_ROWS - morning - late)
        self._add(marks[2], marks[3], late, debug=True)
        self.today = today

    def _add(
        self, low: datetime, high: datetime, records: int, part: str = "", *, debug: bool = False
    ) -> None:
        self.stretches.append(Stretch(low, high, self.rows, records, part, debug))

    @property
    def rows(self) -> int:
        return sum(stretch.records for stretch in self.stretches)

    def numbers(
        self, modulus: int, rest: int, holds: Callable[[int], bool] = lambda g: True, below: int = 0
    ) -> Iterator[int]:
        """Yield the numbers that leave `rest`, the newest first."""
        last = (below or self.rows) - 1
        return filter(holds, range(last - (last - rest) % modulus, -1, -modulus))

    def stretch(self, g: int) -> Stretch:
        return next(stretch for stretch in self.stretches if stretch.has(g))

    def level(self, g: int) -> str:
        if self.stretch(g).debug:
            return "DEBUG"
        return "WARN" if g % 20 == 0 else "DEBUG" if g % 5 == 0 else "INFO"

    def component(self, g: int) -> str:
        part = self.stretch(g).part
        return f"{part}.{g // 2 % 2}" if part and g % 2 == 0 else f"shop.service-{g % SERVICES}"

    @property
    def loud(self) -> int:
        """Return the number from which on all is DEBUG."""
        return self.stretches[-1].first

    def last_of(self, part: str) -> int:
        """Return the number behind the last record that a component can have."""
        found = [s for s in self.stretches if s.part == part]
        return found[-1].first + found[-1].records


def seal(url: str) -> None:
    """Index what maintenance would, had all this not been loaded within minutes."""
    with patch.multiple(sealing, MANY_ROWS=HOT_ROWS, SETTLE_S=0):
        sealing.seal(url)


def id_of(corpus: Corpus, g: int) -> str:
    ms = (corpus.stretch(g).at(g) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(uuid.UUID(f"{ms:012x}80008{g:015x}"))


def trace_of(g: int) -> str:
    return str(uuid.UUID(hashlib.md5(str(g // 10).encode(), usedforsecurity=False).hexdigest()))


@contextmanager
def loaded() -> Iterator[tuple[str, Corpus]]:
    """Give the store and what it holds."""
    with database() as url:
        corpus = Corpus(datetime.now(UTC))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            settled = corpus.rows - HOT_ROWS
            for stretch in (piece for whole in corpus.stretches for piece in whole.cut(settled)):
                if stretch.first in (corpus.sealed, settled):
                    seal(url)
                connection.execute("SELECT dewey_ensure_partition(%s)", (stretch.low,))
                more = {"step_us": stretch.step_us, "turn": corpus.busy + HOUR}
                connection.execute(ROW, {**stretch._asdict(), **more})
                connection.execute(MINUTES, stretch._asdict())
            for statement in COUNTS:
                connection.execute(statement, {"turn": corpus.busy + HOUR})
        yield url, corpus
