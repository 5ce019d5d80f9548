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
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import msgspec

from dewey_logs import Batch, LogFilter, LogRow, Page, Source, Store, open_store
from tests.bench import corpus as made
from tests.bench.corpus import DAY, HOUR, SERVICES, SHARDS, SPREAD, TOPICS, VERBS, Corpus, loaded

ASKED = 40
MATCHED = 1_000
RARE_ERRORS = 90
Figure = dict[str, object]
Answers = Iterable[int]
Pages = Callable[[random.Random], tuple[dict[str, object], Answers]]


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


class Questions:
    """What is asked for pages: a filter, and the numbers of the records that it finds."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def by_place(self) -> Iterator[tuple[str, Pages]]:
        """Yield the questions by component, level and trace."""
        c, services, level = self.corpus, range(SERVICES), self.corpus.level

        def service(rng: random.Random) -> tuple[dict[str, object], Answers]:
            k = rng.choice(services)
            name = f"shop.service-{k}"
            return {"component": (name,)}, c.numbers(SERVICES, k, lambda g: c.component(g) == name)

        def both(rng: random.Random) -> tuple[dict[str, object], Answers]:
            name = f"shop.service-{rng.choice(services)}"
            found = c.numbers(
                20, 0, lambda g: level(g) == "WARN" and c.component(g) == name, c.loud
            )
            return {"level": "WARN", "component": (name,)}, found

        def of(part: str) -> Pages:
            def one(rng: random.Random) -> tuple[dict[str, object], Answers]:
                half = rng.randrange(2)
                return {"component": (f"{part}.{half}",)}, self._of(part, half)

            return one

        def trace(rng: random.Random) -> tuple[dict[str, object], Answers]:
            g = rng.randrange(c.rows // 10) * 10
            return {"trace_id": made.trace_of(g)}, range(g + 9, g - 1, -1)

        def beginning(rng: random.Random) -> tuple[dict[str, object], Answers]:
            g = rng.randrange(c.rows // 10) * 10
            return {"trace_id": made.trace_of(g).replace("-", "")[:16]}, range(g + 9, g - 1, -1)

        warned = "retired.0", "retired.1"
        yield "trace, no time bound", trace
        yield "trace by its beginning", beginning
        yield "newest 100", lambda _: ({}, range(c.rows - 1, -1, -1))
        yield "newest 100 of a component", service
        yield "newest 100 of a level", lambda _: ({"level": "WARN"}, self._warnings())
        yield "newest 100 of both", both
        yield (
            "newest 100 of a level that fell silent",
            lambda _: (
                {"level": "INFO"},
                c.numbers(1, 0, lambda g: level(g) != "DEBUG", c.loud),
            ),
        )
        yield "newest 100 of a component silent since the morning", of("night")
        yield "newest 100 of a component silent for days", of("retired")
        yield (
            "newest 100 of two components silent for days",
            lambda _: ({"component": warned}, self._of("retired")),
        )
        yield (
            "newest 100 of components by a pattern, silent for days",
            lambda _: ({"component": ("retired.*",)}, self._of("retired")),
        )
        yield (
            "newest 100 of a level of components silent for days",
            lambda _: (
                {"level": "WARN", "component": warned},
                filter(lambda g: level(g) == "WARN", self._of("retired")),
            ),
        )
        yield "an absent component", lambda rng: ({"component": (f"none-{rng.random()}",)}, ())
        yield "an absent pattern", lambda rng: ({"component": (f"*zz{rng.randrange(999)}",)}, ())
        yield "an absent level", lambda _: ({"level": "ERROR"}, ())
        yield (
            "an absent level of a component",
            lambda rng: (
                {"level": "ERROR", "component": (f"shop.service-{rng.choice(services)}",)},
                (),
            ),
        )

    def by_words(self, below: int) -> Iterator[tuple[str, Pages]]:
        """Yield the questions by words and data, of the records below a number."""
        c = self.corpus

        def topic(text: str, holds: Callable[[int, int], bool] = lambda g, y: True) -> Pages:
            def one(rng: random.Random) -> tuple[dict[str, object], Answers]:
                y, shard = rng.randrange(TOPICS), rng.randrange(SHARDS)
                words = text.format(y=y, verb=y % VERBS, shard=shard)
                return {"search": words}, c.numbers(TOPICS, y, lambda g: holds(g, shard), below)

            return one

        def nothing(text: str) -> Pages:
            def one(rng: random.Random) -> tuple[dict[str, object], Answers]:
                y = rng.randrange(TOPICS)
                return {"search": text.format(y=y, verb=y % VERBS, other=(y + 1) % VERBS)}, ()

            return one

        def common(rng: random.Random) -> tuple[dict[str, object], Answers]:
            k = rng.randrange(VERBS)
            return {"search": f"verb{k}"}, c.numbers(VERBS, k, below=below)

        def rare(rng: random.Random, *, without: str = "") -> tuple[dict[str, object], Answers]:
            j = rng.randrange(max(below // SPREAD, 1))
            rests = (177,) if without else (277, 177, 77)
            found = [j * SPREAD + rest for rest in rests if j * SPREAD + rest < below]
            return {"search": f"kraken{j}{without}"}, found

        def either(rng: random.Random) -> tuple[dict[str, object], Answers]:
            y, z = rng.sample(range(TOPICS), 2)
            found = c.numbers(1, 0, lambda g: g % TOPICS in (y, z), below)
            return {"search": f"topic{y} OR topic{z}"}, found

        def number(rng: random.Random) -> tuple[dict[str, object], Answers]:
            g = rng.randrange(below)
            return {"search": f"r{g}"}, (g,)

        def order(rng: random.Random) -> tuple[dict[str, object], Answers]:
            g = rng.randrange(below)
            return {"data": {"order": g}}, (g,)

        def user(rng: random.Random) -> tuple[dict[str, object], Answers]:
            u = rng.randrange(5_000)
            return {"data": {"user": f"user-{u}"}}, c.numbers(5_000, u, below=below)

        yield "a common word", common
        yield "a word in a thousand", topic("topic{y}")
        yield "a rare word", rare
        yield "an absent word", nothing("absent{y}")
        yield "a number", number
        yield "two words", topic("verb{verb} topic{y}")
        yield "two common words that never meet", nothing("verb{verb} verb{other}")
        yield "a phrase", topic('"topic{y} in"')
        yield "a phrase whose words never adjoin", nothing('"verb{verb} topic{y}"')
        yield "one word or another", either
        yield (
            "a negated word",
            topic("topic{y} -shard{shard}", lambda g, s: g // 1_000 % SHARDS != s),
        )
        yield "a rare word without a common one", lambda rng: rare(rng, without=" -verb37")
        yield "data, one record", order
        yield "data, one in 5,000", user

    def substrings(self) -> Iterator[tuple[str, Pages]]:
        c = self.corpus
        day = [s for s in c.stretches if c.today - DAY <= s.low < c.today]
        first, below = day[0].first, day[-1].first + day[-1].records
        sealed: dict[str, object] = {
            "since": (c.today - DAY).isoformat(),
            "until": c.today.isoformat(),
        }

        def there(rng: random.Random) -> tuple[dict[str, object], Answers]:
            g = rng.randrange(first, below)
            return {"contains": f"EST r{g} TOP", **sealed}, (g,)

        yield "a substring of one day", there
        yield (
            "an absent substring of one day",
            lambda rng: ({"contains": f"absent {rng.random()}", **sealed}, ()),
        )
        yield (
            "an absent substring of today",
            lambda rng: ({"contains": f"absent {rng.random()}", "since": c.today.isoformat()}, ()),
        )

    def _of(self, part: str, half: int | None = None) -> Answers:
        c = self.corpus
        modulus, rest = (2, 0) if half is None else (4, 2 * half)
        return c.numbers(modulus, rest, lambda g: c.stretch(g).part == part, c.last_of(part))

    def _warnings(self) -> Answers:
        c = self.corpus
        return c.numbers(20, 0, lambda g: c.level(g) == "WARN", c.loud)


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
        found = store.context(_id(corpus, g), corpus.stretch(g).at(g), same=same)  # type: ignore[arg-type]

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
        return lambda: _same(found.total if found else 0, 10)

    def totals(_: int) -> Callable[[], bool]:
        found = store.summary(week)
        return lambda: _same((found.total, found.levels.error), (corpus.rows, 0))

    def histogram(_: int) -> Callable[[], bool]:
        found = store.histogram(week)
        return lambda: _same(found.total, corpus.rows)

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
                source=Source(f"{us // 1000}-{n}", {}),
            )
        )
    store.write(Batch(stream="bench", rows=tuple(rows)))
    return range(corpus.rows + len(rows) - 1, corpus.rows - 1, -1)


def _same(shown: object, expected: object) -> bool:
    if shown != expected:
        raise Wrong(f"{shown!r:.200} instead of {expected!r:.200}")
    return True


def _id(corpus: Corpus, g: int) -> str:
    ms = (corpus.stretch(g).at(g) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(uuid.UUID(f"{ms:012x}80008{g:015x}"))


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
