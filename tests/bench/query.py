"""What every kind of question takes at ten million records, and whether the answers are right.

Each question is asked forty times with terms of its own, and every answer is held against what the
corpus says: the rows, their order and their number. Only complete answers count; the others are
told. `GODOT_BENCH_ROWS` makes the store smaller.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import msgspec

from dewey_logs import Batch, LogFilter, LogRow, Page, Source, Store, open_store
from tests.bench import corpus as made
from tests.bench.corpus import HOUR, SERVICES, Corpus, loaded
from tests.bench.questions import Answers, Pages, Questions

ASKED = 40
MATCHED = 1_000
RARE_ERRORS = 90
Figure = dict[str, object]


class Wrong(AssertionError):
    """An answer that is not what the corpus says."""


def right(given: object, page: Page, expected: Answers) -> None:
    """Raise Wrong unless these are the newest of the expected records, and as many as there are."""
    first = list(islice(expected, MATCHED + 1))
    shown = [row.data["order"] for row in page.rows if row.data]
    if shown != first[: len(shown)] or len(shown) != min(page.returned, len(first), 100):
        raise Wrong(f"{given}: {shown[:3]} … instead of {first[:3]} …")
    if page.matched_capped:
        fits = page.returned <= page.matched <= len(first)
    else:
        fits = page.matched == len(first)
    if not fits or page.truncated != (len(first) > len(shown)):
        raise Wrong(f"{given}: {page.matched} matched instead of {len(first)}")


def measured(what: str, ask: Callable[[int], Callable[[], bool]]) -> Iterator[Figure]:
    """Yield p50 and p95 in ms, and how many answers were not complete.

    `ask` is called with the number of the round and returns what checks its answer: whether that
    was complete.
    """
    seconds, incomplete = [], 0
    for n in range(ASKED):
        began = time.perf_counter()
        check = ask(n)
        seconds.append(time.perf_counter() - began)
        incomplete += not check()
    for name, value in (
        ("p50", statistics.median(seconds)),
        ("p95", statistics.quantiles(seconds, n=20)[18]),
    ):
        yield {"what": f"{what}, {name}", "value": round(value * 1000, 1), "unit": "ms"}
    if incomplete:
        yield {"what": f"{what}, incomplete answers", "value": incomplete, "unit": f"of {ASKED}"}


def pages(store: Store, what: str, question: Pages, **more: object) -> Iterator[Figure]:
    rng = random.Random(what)
    asked = [question(rng) for _ in range(ASKED)]

    def ask(n: int) -> Callable[[], bool]:
        given, expected = asked[n]
        page = store.query(msgspec.convert({**given, **more}, LogFilter))

        def check() -> bool:
            if not page.scan_incomplete:
                right(given, page, expected)
            return not page.scan_incomplete

        return check

    return measured(what, ask)


def later_page(store: Store, corpus: Corpus) -> Iterator[Figure]:
    wanted = LogFilter(component=("shop.service-1",))
    cursor = None
    for _ in range(99):
        cursor = store.query(msgspec.structs.replace(wanted, cursor=cursor)).next_cursor
    numbers = corpus.numbers(SERVICES, 1, lambda g: corpus.component(g) == "shop.service-1")
    expected = list(islice(numbers, 9_900, 10_000))

    def ask(_: int) -> Callable[[], bool]:
        page = store.query(msgspec.structs.replace(wanted, cursor=cursor))
        return lambda: _same([row.data["order"] for row in page.rows if row.data], expected)

    return measured("page 100", ask)


def others(
    store: Store, corpus: Corpus
) -> Iterator[tuple[str, Callable[[int], Callable[[], bool]]]]:
    """Yield what is asked besides pages."""
    rng = random.Random(1)
    week = LogFilter(since=corpus.stretches[0].low.isoformat())
    hours = [corpus.busy + n * HOUR for n in range(3)]
    before, after = (
        LogFilter(since=low.isoformat(), until=high.isoformat()) for low, high in pairwise(hours)
    )

    def context(g: int, same: str | None, neighbours: list[int]) -> Callable[[], bool]:
        record, at = made.id_of(corpus, g), corpus.stretch(g).at(g)
        found = store.context(record, at, same=same)  # type: ignore[arg-type]  # "component" or None

        def check() -> bool:
            shown = [row.data["order"] for row in found.rows if row.data] if found else []
            return _same(shown, neighbours)

        return check

    def anywhere(_: int) -> Callable[[], bool]:
        g = rng.randrange(20, corpus.rows - 20)
        return context(g, None, [*range(g - 10, g + 11)])

    def silent(n: int) -> Callable[[], bool]:
        last = corpus.last_of("night" if n % 2 else "retired") - 1
        g = last - last % 4
        return context(g, "component", [*range(g - 40, g + 1, 4)])

    def trace(_: int) -> Callable[[], bool]:
        g = rng.randrange(corpus.rows // 10) * 10
        found = store.trace(made.trace_of(g))
        return lambda: _same(found.matched if found else 0, 10)

    def totals(_: int) -> Callable[[], bool]:
        found = store.summary(week)
        return lambda: _same((found.matched, found.levels.error), (corpus.rows, 0))

    def histogram(_: int) -> Callable[[], bool]:
        found = store.histogram(week)
        return lambda: _same(found.matched, corpus.rows)

    def comparison(_: int) -> Callable[[], bool]:
        found = store.compare(before, after)
        shown = (found.total_before, found.total_after, found.new_count, found.gone_count)
        return lambda: _same(shown, (made.BUSY_ROWS, made.BUSY_ROWS, 1, 1))

    yield "context of a record", anywhere
    yield "context among its component, which fell silent", silent
    yield "trace with offsets", trace
    yield "totals, 8 days", totals
    yield "histogram, 8 days", histogram
    yield f"comparison of two hours of {made.BUSY_ROWS:,}", comparison


def rare_errors(store: Store, corpus: Corpus) -> Answers:
    """Store an error every two hours, as a worker would; return their numbers, newest first."""
    first = corpus.stretches[0].low + timedelta(minutes=7)
    rows = []
    for n in range(RARE_ERRORS):
        at, number = first + n * 2 * HOUR, corpus.rows + n
        if at >= datetime.now(UTC):
            break
        us = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        rows.append(
            LogRow(
                id=uuid.uuid4().bytes,
                created_at_us=us,
                component=f"shop.service-{n % SERVICES}",
                level="ERROR",
                message="it broke",
                trace_id=None,
                data=b'{"order":%d}' % number,
                producer=1,
                sequence=n + 1,
                source=Source(f"{us // 1000}-{n}", ()),
            )
        )
    store.write(Batch(stream="bench", rows=tuple(rows)))
    return range(corpus.rows + len(rows) - 1, corpus.rows - 1, -1)


def _same(shown: object, expected: object) -> bool:
    if shown != expected:
        raise Wrong(f"{shown!r:.200} instead of {expected!r:.200}")
    return True


def run() -> Iterator[Figure]:
    with loaded() as (url, corpus), open_store(url) as store:
        ask = Questions(corpus)
        for what, question in ask.by_place():
            yield from pages(store, what, question)
        yield from later_page(store, corpus)
        for what, question in ask.by_words(corpus.sealed):
            until = corpus.today.isoformat()
            yield from pages(store, f"{what}, indexed days", question, until=until)
        for what, question in ask.by_words(corpus.rows):
            yield from pages(store, f"{what}, all days", question)
        for what, question in ask.substrings():
            yield from pages(store, what, question)
        for what, other in others(store, corpus):
            yield from measured(what, other)
        errors = rare_errors(store, corpus)
        yield from pages(store, "a level once in two hours", lambda _: ({"level": "ERROR"}, errors))
