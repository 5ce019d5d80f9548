"""The questions for pages, each with terms of its own, and what the corpus says to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from tests.bench import corpus as made
from tests.bench.corpus import DAY, SERVICES, SHARDS, SPREAD, TOPICS, VERBS, Corpus

Answers = Iterable[int]
Pages = Callable[[random.Random], tuple[dict[str, object], Answers]]


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
