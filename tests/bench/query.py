"""What questions to a large store take: ten million rows over eight days, the last not indexed.

Words of known frequency stand in the messages, so that every answer is checked; only complete ones
count. `GODOT_BENCH_ROWS` makes the store smaller.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from dewey_logs import LogFilter, LogRecordView, Store, open_store
from dewey_logs.sealing import seal
from tests.bench.store import database

ROWS = int(os.environ.get("GODOT_BENCH_ROWS", "10000000"))
HOT_ROWS = ROWS // 10
DAYS = 7  # over, and indexed
ASKED = 40

LOAD = """
    INSERT INTO logs (created_at, id, pattern, level, component, trace_id, message, data)
    SELECT %(low)s + n * (%(high)s - %(low)s)::interval / %(rows)s, gen_random_uuid(), n %% 20,
           (CASE WHEN n %% 20 = 0 THEN 'WARN' WHEN n %% 5 = 0 THEN 'DEBUG' ELSE 'INFO' END)
           ::log_level, 'shop.service-' || n %% 7,
           (lpad(to_hex(%(day)s * 10000000 + n / 10), 32, '0'))::uuid::text,
           format('request %%s handled: GET /api/orders/%%s took %%s ms%%s%%s', n, n * 37 %% 90000,
                  n %% 950, CASE WHEN n %% 1000 = 7 THEN ' card declined' END,
                  CASE WHEN n %% 250000 = 77 THEN ' by the kraken' END),
           jsonb_build_object('order', n, 'user', 'user-' || n %% 5000, 'ms', n %% 950)
    FROM generate_series(0, %(rows)s - 1) n
"""
ROLLUPS = """
    INSERT INTO logs_rollup (minute, level, component, n, bytes)
    SELECT date_trunc('minute', created_at, 'UTC'), level, component, count(*),
           sum(octet_length(message)) FROM logs GROUP BY 1, 2, 3
"""


@contextmanager
def large() -> Iterator[str]:
    """Give a loaded store: seven days that are sealed, and today."""
    with database() as url:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with psycopg.connect(url, autocommit=True) as connection:
            for ago in range(DAYS, -1, -1):
                low = midnight - timedelta(days=ago)
                values = {
                    "low": low,
                    "high": low + timedelta(days=1) if ago else datetime.now(UTC),
                    "rows": (ROWS - HOT_ROWS) // DAYS if ago else HOT_ROWS,
                    "day": ago,
                }
                connection.execute(LOAD, values)
            connection.execute(ROLLUPS)
            began = time.perf_counter()
            seal(url)
            print(f"  sealed in {time.perf_counter() - began:.0f} s", flush=True)
            connection.execute("VACUUM (ANALYZE) logs")
        yield url


def times(ask: Callable[[], object]) -> tuple[float, float]:
    """Return p50 and p95 in milliseconds."""
    taken = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[18]


class Questions:
    """Every kind of question with terms of its own each time; wrong answers raise."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rng = random.Random(1)
        self._day_rows = (ROWS - HOT_ROWS) // DAYS

    def page(self, least: int, **given: object) -> tuple[LogRecordView, ...]:
        """Return the rows of a complete answer that has so many at least."""
        page = self._store.query(msgspec.convert(given, LogFilter))
        assert not page.scan_incomplete
        assert page.returned >= least, (given, page.returned)
        return page.rows

    def trace(self) -> None:
        day, n = self._rng.randint(1, DAYS), self._rng.randrange(self._day_rows // 10)
        digits = f"{day * 10_000_000 + n:032x}"
        self.page(10, trace_id=digits)

    def by_component(self) -> None:
        self.page(100, component=(f"shop.service-{self._rng.randrange(7)}",))

    def by_level(self) -> None:
        self.page(100, level="WARN")

    def by_both(self) -> None:
        self.page(100, level="WARN", component=(f"shop.service-{self._rng.randrange(7)}",))

    def absent_component(self) -> None:
        assert not self.page(0, component=(f"none-{self._rng.random()}",))

    def absent_level(self) -> None:
        assert not self.page(0, level="ERROR")

    def absent_both(self) -> None:
        assert not self.page(
            0, level="ERROR", component=(f"shop.service-{self._rng.randrange(7)}",)
        )

    def _sealed(self) -> dict[str, str]:
        return {"until": "today"}

    def words(self) -> Iterator[tuple[str, str, int]]:
        """Yield what is searched for: a name, the text, how many hits a page has at least."""
        n = self._rng.randrange(self._day_rows)
        yield "a common word", "handled", 100
        yield "a word in a thousand", "declined", 100
        yield "a rare word", "kraken", 1
        yield "an absent word", f"absent{n}", 0
        yield "two words", f"declined {n // 1000 * 1000 + 7}", 0
        yield "a phrase", '"card declined"', 100
        yield "a negated word", "kraken -declined", 1
        yield "a number", f"{n}", 1

    def data(self) -> None:
        self.page(1, data={"order": self._rng.randrange(self._day_rows)}, until="today")

    def substring(self) -> None:
        self.page(0, contains=f"kraken{self._rng.random()}", since="-2d", until="-1d")

    def page_100(self, cursor: str) -> None:
        self.page(1, component=("shop.service-1",), cursor=cursor)


def run() -> list[dict[str, object]]:
    found: dict[str, tuple[float, float]] = {}
    with large() as url, open_store(url) as store:
        ask = Questions(store)
        found["trace, no time bound"] = times(ask.trace)
        found["newest 100 of a component"] = times(ask.by_component)
        found["newest 100 of a level"] = times(ask.by_level)
        found["newest 100 of both"] = times(ask.by_both)
        found["an absent component"] = times(ask.absent_component)
        found["an absent level"] = times(ask.absent_level)
        found["an absent level of a component"] = times(ask.absent_both)
        for name in [name for name, _, _ in ask.words()]:

            def question(name: str = name, **window: str) -> None:
                text, least = next((t, n) for one, t, n in ask.words() if one == name)
                ask.page(least if window else 0, search=text, **window)

            found[f"{name}, indexed days"] = times(lambda q=question: q(until="today"))  # type: ignore[misc]
            found[f"{name}, all days"] = times(question)
        found["data, indexed days"] = times(ask.data)
        found["a substring of one day"] = times(ask.substring)
        cursor = None
        for _ in range(99):
            page = store.query(LogFilter(component=("shop.service-1",), cursor=cursor))
            cursor = page.next_cursor
        assert cursor is not None
        found["page 100"] = times(lambda: ask.page_100(cursor))
    return [
        {"what": f"{what}, {name}", "value": round(value, 1), "unit": "ms"}
        for what, both in found.items()
        for name, value in zip(("p50", "p95"), both, strict=True)
    ]
