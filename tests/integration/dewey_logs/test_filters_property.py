"""Every filter finds in PostgreSQL what the same filter finds in plain Python.

Hostile records are stored once, by the writer; Hypothesis makes the filters out of
the same spices, so that many of them find something. The judge is the matcher of live records.
What that one leaves to PostgreSQL is judged here: regular expressions of parts that mean the same
to both, and words by a judge of their own, over those messages that are plain words.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewey_logs import (
    BadFilter,
    Comparison,
    LogFilter,
    LogRow,
    format_filter,
    matcher,
    open_store,
    parse_filter,
    sealing,
)
from dewey_logs.filters import bounds, conditions
from dewey_logs.times import from_micros
from godot.embedded.postgres import Postgres
from tests.conftest import copied
from tests.integration.dewey_logs.conftest import Maker, batch

RECORDS = 1_500
SPICES = (
    "", " ", "a", "A", "b", "%", "_", "\\", "'", '"', "$1", "%s", "%(x)s", "{}", ".", "*", "(", "[",
    "a_b", "a%b", "a\\b", "aXb", "é", "É", "İ", "ß", "ΟΔΟΣ", "ж", "Ж", "\u202e", "\xa0", "\n", "\t",
    "😀", "\ufffd", "or", "-", "--", ";--", "0", "-1", "null", "true", "1e5", "\u0301", "ﬀ", "K",
    "k", "i", "I", "\u212a", "ı", "ſ", "ς", "ẞ", "Å", "Å", "sk ", "SK ", "s\u212a ",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 8000, 8001, 1.0, 0.5, -0.0, 1e300, 5e-324, 2**53 + 1, 10**40, 10**40 + 1, 0.1, 1e5,
)  # fmt: skip
KEYS = ("a", "b", "order", "", "a.b", '"', "\\", "%", "ключ", "0", "-1", " 1", "user", "{}")
WORDS = ("card", "declined", "payment", "retry", "Order", "x1", "42", "timeout", "or", "the")
TRACES = (
    "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "4bf92f35-77b3-4da6-a3ce-929d0e0e4737",
    "4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6", "4bf92f35", "order-12345678",
    "order-12345679", "short", "--------", "deadbeef%", "deadbeef_", "DEADBEEF", "deadbeef-cafe",
    "é" * 9, "'; DROP TABLE logs; --",
)  # fmt: skip
COMPONENTS = (
    "api",
    "api.users",
    "api.*",
    "apix",
    "web",
    "a_b",
    "a%b",
    "a\\b",
    "aXb",
    "é",
    "'",
    "*",
)
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def scalar(chance: random.Random) -> object:
    kinds = (SPICES, NUMBERS, (None, True, False), WORDS)
    return chance.choice(chance.choice(kinds))


def value(chance: random.Random, depth: int) -> object:
    kind = chance.random()
    if depth and kind < 0.3:
        return {chance.choice(KEYS): value(chance, depth - 1) for _ in range(chance.randint(0, 3))}
    if depth and kind < 0.5:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return scalar(chance)


def records(maker: Maker) -> list[LogRow]:
    chance = random.Random(7)
    rows = []
    for i in range(RECORDS):
        parts = WORDS if i % 2 else SPICES
        message = (" " if i % 2 else "").join(chance.choices(parts, k=chance.randint(1, 6)))
        data = {chance.choice(KEYS): value(chance, 3) for _ in range(chance.randint(0, 4))}
        rows.append(
            maker.row(
                created_at_us=maker.now_us - chance.randint(0, 2 * 1_440) * 60_000_000,
                component=chance.choice(COMPONENTS),
                level=chance.choice(LEVELS),
                message=message or "x",
                trace_id=chance.choice((None, *TRACES)),
                data=json.dumps(data).encode() if chance.random() < 0.9 else None,
            )
        )
    return sorted(rows, key=lambda row: row.created_at_us)


def leaves(part: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every place of some data that holds neither object nor array, with what it holds."""
    if isinstance(part, dict | list):
        inner = part.items() if isinstance(part, dict) else enumerate(part)
        for key, item in inner:
            yield from leaves(item, (*path, str(key)))
    else:
        yield path, part


class Corpus:
    """The records, and the identities of those that a filter finds, by both ways."""

    def __init__(self, url: str) -> None:
        maker = Maker()
        self.rows = records(maker)
        self.now = from_micros(maker.now_us)
        self.store = open_store(url)
        first, last = self.rows[: RECORDS * 2 // 3], self.rows[RECORDS * 2 // 3 :]
        assert self.store.write(batch(first)).stored == len(first)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealing, "OVER_S", 10 * 86_400)
            patch.setattr(sealing, "MANY_ROWS", 100)
            patch.setattr(sealing, "SETTLE_S", 0)
            sealing.seal(url)
        assert self.store.write(batch(last)).stored == len(last)
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("SET statement_timeout = '60s'; SET jit = off")

    def in_sql(self, wanted: LogFilter) -> set[bytes]:
        found = conditions(wanted, *bounds(wanted, self.now))
        rows = self._connection.execute(f"SELECT id FROM logs WHERE {found.where}", found.values)
        return {row[0].bytes for row in rows}

    def through_pages(self, wanted: LogFilter) -> tuple[list[bytes], set[str]]:
        """Return what all pages show, and by what strategies."""
        page = self.store.query(wanted)
        shown, used = [UUID(row.id).bytes for row in page.rows], {page.strategy}
        while page.next_cursor:
            page = self.store.query(msgspec.structs.replace(wanted, cursor=page.next_cursor))
            shown += [UUID(row.id).bytes for row in page.rows]
            used.add(page.strategy)
        return shown, used

    def in_python(self, wanted: LogFilter) -> set[bytes]:
        fits = matcher(wanted, self.now)
        return {row.id for row in self.rows if fits(row)}

    def close(self) -> None:
        self._connection.close()
        self.store.close()


@pytest.fixture(scope="module")
def corpus(postgres_server: Postgres, _template: str) -> Iterator[Corpus]:
    with copied(postgres_server, _template) as url, closing(Corpus(url)) as opened:
        yield opened


spice = st.sampled_from(SPICES)
text = st.lists(spice, min_size=1, max_size=3).map("".join) | st.text(max_size=4)
scalars = st.sampled_from((*SPICES, *WORDS, *NUMBERS, None, True, False)) | st.integers()
paths = st.lists(st.sampled_from((*KEYS, "1", "2", "+0", "00")), min_size=1, max_size=3).map(tuple)
orders = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
places = [leaf for row in records(Maker()) if row.data for leaf in leaves(json.loads(row.data))]
comparisons = (
    st.builds(
        lambda leaf, operator: Comparison(leaf[0], operator, leaf[1]),
        st.sampled_from(places),
        orders,
    )
    | st.builds(Comparison, paths, orders, scalars)
    | st.builds(Comparison, paths, st.just("~"), text)
    | st.builds(Comparison, paths, st.sampled_from(("exists", "missing")))
)
parts_of_data = st.recursive(
    scalars,
    lambda part: (
        st.lists(part, max_size=2) | st.dictionaries(st.sampled_from(KEYS), part, max_size=2)
    ),
    max_leaves=3,
)
times = st.integers(-3_000, 3_000).map(lambda minutes: f"{abs(minutes)}m")
globs = st.lists(st.sampled_from(("*", "a", "api", ".", "users", "_", "%", "\\", "é")), max_size=4)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "since": times,
    "until": times,
    "level": st.sampled_from((*LEVELS, "warning", " fatal ")),
    "component": st.lists(
        st.sampled_from((*COMPONENTS, *(f"{name[:2]}*" for name in COMPONENTS)))
        | globs.map("".join).filter(bool),
        min_size=1,
        max_size=3,
    ).map(tuple),
    "trace_id": st.sampled_from(TRACES).flatmap(
        lambda whole: st.integers(1, len(whole)).map(lambda n: whole[:n])
    ),
    "contains": text,
    "data": st.dictionaries(st.sampled_from(KEYS), parts_of_data, max_size=2),
    "where": st.lists(comparisons, min_size=1, max_size=2).map(tuple),
}


def agree(corpus: Corpus, wanted: LogFilter) -> None:
    try:
        found = corpus.in_sql(wanted)
    except BadFilter:
        with pytest.raises(BadFilter):
            corpus.in_python(wanted)
        return
    differ = found ^ corpus.in_python(wanted)
    wrong = [(row.id in found, row) for row in corpus.rows if row.id in differ]
    assert not wrong[:3], wanted
    assert repr(parse_filter(format_filter(wanted))) == repr(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_filter_finds_the_same_in_sql_and_in_python(corpus, kind):
    @settings(max_examples=100)
    @given(KINDS[kind])
    def held(given_value):
        agree(corpus, LogFilter(**{kind: given_value}))

    held()


def test_filters_together_find_the_same_in_sql_and_in_python(corpus):
    @settings(max_examples=150)
    @given(st.fixed_dictionaries({}, optional=KINDS))
    def held(fields):
        agree(corpus, LogFilter(**fields))

    held()


@pytest.mark.parametrize(
    "wanted",
    [
        'data.order>8000', 'data.order<"b"', "data.a.0=*", "data.a.-1=*", "data.a.b=*",
        'data."a.b"!=*', 'data."ключ"~a', "data.a!=1", 'data:{"a":[]}', "contains:é", "contains:%",
    ],
)  # fmt: skip
def test_the_records_are_such_that_filters_find_some_and_not_all(corpus, wanted):
    assert 3 < len(corpus.in_sql(parse_filter(wanted))) < RECORDS


RAGGED = {
    "8000": "8000.0", "8001": "8001", "more": "8000.000000000000000000001", "7": "-7e3",
    "text": '"8001"', "9": '"9"', "true": "true", "null": "null", "in": '{"order":9000}',
    "list": "[9000]", "empty": '""',
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("data.order>8000", "8001 more"),
        ("data.order>=8000", "8000 8001 more"),
        ("data.order<8000.5", "8000 more 7"),
        ("data.order=8000", "8000"),
        ("data.order!=8000", "8001 more 7 text 9 true null in list empty absent none"),
        ('data.order>"8000"', "text 9"),
        ('data.order<"9"', "text empty"),
        ('data.order="8001"', "text"),
        ("data.order~00", "text"),
        ("data.order=true", "true"),
        ("data.order=null", "null"),
        ("data.order=*", " ".join(RAGGED)),
        ("data.order!=*", "absent none"),
        ("data.order.order>8000", "in"),
        ("data.order.0>8000", "list"),
    ],
)
def test_a_number_is_compared_with_numbers_and_a_string_with_strings(corpus, wanted, found):
    """Whatever else stands at that place of the data neither matches nor fails."""
    data: dict[str, str | None] = {name: f'{{"order":{v}}}' for name, v in RAGGED.items()}
    data |= {"absent": '{"Order":8000}', "none": None}
    clauses, fits = conditions(parse_filter(wanted), None, None), matcher(parse_filter(wanted))
    rows = corpus._connection.execute(
        f"SELECT name FROM unnest(%(names)s::text[], %(texts)s::jsonb[]) logs(name, data)"
        f" WHERE {clauses.where}",
        {**clauses.values, "names": list(data), "texts": list(data.values())},
    )
    assert [name for (name,) in rows] == found.split()
    row = corpus.rows[0]
    assert found.split() == [
        name
        for name, text in data.items()
        if fits(msgspec.structs.replace(row, data=text and text.encode()))
    ]


letters = st.sampled_from(("a", "b", "A", "é", "ж", "_", " ", r"\.", r"\\", r"\(", "%", "x", "1"))
atoms = letters | st.sampled_from((".", r"\d", "[a-c]", "[^a]", "[é%_]"))


def _repeated(part: str, how: str) -> str:
    """Return a part with a quantifier that Python's engine can follow.

    What may match in two ways and is repeated takes it 2^n steps for n characters.
    """
    return f"(?:{part})" + ("?" if any(c in part for c in "|*+?") else how)


regexes = st.recursive(
    atoms,
    lambda part: (
        st.lists(part, min_size=1, max_size=3).map("".join)
        | st.tuples(part, part).map(lambda two: f"(?:{two[0]}|{two[1]})")
        | st.tuples(part, st.sampled_from("*+?")).map(lambda two: _repeated(*two))
    ),
    max_leaves=6,
)


def test_regular_expressions_find_the_same_in_sql_and_in_python(corpus):
    @settings(max_examples=150)
    @given(regexes, st.booleans(), st.booleans(), st.fixed_dictionaries({}, optional=KINDS))
    def held(regex, from_start, to_end, fields):
        whole = "^" * from_start + f"(?:{regex})" + "$" * to_end
        same = re.compile(whole.removesuffix("$" * to_end) + r"\Z" * to_end, re.DOTALL | re.ASCII)
        wanted = LogFilter(**fields, regex=whole)
        try:
            found = corpus.in_sql(wanted)
        except BadFilter:
            return
        rest = corpus.in_python(msgspec.structs.replace(wanted, regex=None))
        assert found == {
            row.id for row in corpus.rows if row.id in rest and same.search(row.message)
        }

    held()


def test_what_folds_to_ascii_is_found_by_ascii_and_the_other_way_round(corpus):
    """All spellings of a text with k and i, alone and beside letters that have no other forms."""
    spelt = {"k": "kK\u212a", "i": "iI\u0130", "s": "sS", " ": " "}
    hits = 0
    for text in ("k", "i", "sk", "sk ", " i", "ik", "is", "s k", "a", "sa"):
        for needle in map("".join, itertools.product(*(spelt.get(c, c + c.upper()) for c in text))):
            if needle.strip():
                wanted = LogFilter(contains=needle)
                agree(corpus, wanted)
                hits += bool(corpus.in_sql(wanted))
    assert hits > 30


words = st.sampled_from((*WORDS, "DECLINED", "absent", "car", "1"))
terms = st.tuples(st.sampled_from(("", "", "-")), st.lists(words, min_size=1, max_size=3)).map(
    lambda term: (term[0] == "-", [word.lower() for word in term[1]])
)


def written(ways: list[list[tuple[bool, list[str]]]]) -> str:
    """Return the search; phrases keep `or` from being an operator."""
    return " OR ".join(
        " ".join("-" * negated + f'"{" ".join(phrase)}"' for negated, phrase in way) for way in ways
    )


def judged(ways: list[list[tuple[bool, list[str]]]], message: str) -> bool:
    """Decide as PostgreSQL does: OR of AND of words in a row, each perhaps negated."""
    said = message.lower().split()

    def stands(phrase: list[str]) -> bool:
        return any(said[i : i + len(phrase)] == phrase for i in range(len(said)))

    return any(all(stands(phrase) != negated for negated, phrase in way) for way in ways)


def test_words_and_phrases_find_the_same_in_sql_and_in_python(corpus):
    plain = [row for row in corpus.rows if set(row.message.split(" ")) <= set(WORDS)]
    assert len(plain) >= RECORDS / 2

    @settings(max_examples=150)
    @given(st.lists(st.lists(terms, min_size=1, max_size=3), min_size=1, max_size=3))
    def held(ways):
        wanted = LogFilter(search=written(ways))
        ids = {row.id for row in plain}
        expected = {row.id for row in plain if judged(ways, row.message)}
        assert corpus.in_sql(wanted) & ids == expected
        assert corpus.in_python(wanted) & ids == expected

    held()


PIECES = (
    "card", "Declined", "kiKi", "K\u212a", "\u0130x", "1e5", "42", "b-c", "é", "a", "or", "OR", "-",
    "-", '"', '"', "<", ">", "<b", "</b>", "<b card>", "&amp;", "&", "http://", "a.example/x", "|",
    "!", "(", ")", ":", "_", ".", "\\", "'", "\xa0", "x" * 2_048,
)  # fmt: skip
joined = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(("", " ", " "))), max_size=7)
BARE = "to_tsvector('simple', left(message, 8192)) @@ websearch_to_tsquery('simple', %(whole)s)"


def test_what_is_looked_at_before_the_words_changes_nothing(corpus):
    chance = random.Random(3)
    messages = [
        "".join(chance.choice(PIECES) + chance.choice(("", " ", " ")) for _ in range(n % 9 + 1))
        for n in range(400)
    ]
    hits = 0

    @settings(max_examples=300)
    @given(joined.map(lambda parts: "".join(map("".join, parts))))
    def held(search):
        nonlocal hits
        try:
            found = conditions(LogFilter(search=search), None, None)
        except BadFilter:
            return
        values = {**found.values, "whole": search, "messages": messages}
        rows = corpus._connection.execute(
            f"SELECT message, {BARE}, {found.where} FROM unnest(%(messages)s::text[]) message",
            values,
        ).fetchall()
        assert [row for row in rows if row[1] != row[2]] == []
        hits += sum(row[1] for row in rows)

    held()
    assert hits > 1_000


def test_pages_of_a_store_indexed_in_parts_show_what_sql_finds(corpus):
    seen: set[str] = set()
    words_and_data = {name: KINDS[name] for name in ("data", "where", "component")}

    @settings(max_examples=40)
    @given(
        st.lists(words, min_size=1, max_size=2).map(" ".join) | st.none(),
        st.fixed_dictionaries({}, optional=words_and_data),
        st.sampled_from(("asc", "desc")),
    )
    def held(search, fields, order):
        wanted = LogFilter(search=search, order=order, limit=1_000, **fields)
        try:
            found = corpus.in_sql(wanted)
        except BadFilter:
            return
        shown, used = corpus.through_pages(wanted)
        assert (set(shown), len(shown)) == (found, len(found))
        seen.update(used)

    held()
    assert seen
    for order in ("asc", "desc"):
        _, used = corpus.through_pages(LogFilter(search="nowhere", order=order, limit=1_000))
        assert used <= {"index+scan", "scan+index"}, "some is indexed and some is not"


def test_words_without_quotes_find_the_same_in_sql_and_in_the_matcher(corpus):
    ids = {row.id for row in corpus.rows if set(row.message.split(" ")) <= set(WORDS)}

    @settings(max_examples=100)
    @given(st.lists(st.sampled_from(("card", "-retry", "OR", "or", "x1", '"the order"', "42"))))
    def held(parts):
        wanted = LogFilter(search=" ".join(("timeout", *parts, "payment")))
        assert corpus.in_sql(wanted) & ids == corpus.in_python(wanted) & ids

    held()


def test_relative_times_mean_the_same_moment_to_both(corpus):
    wanted = LogFilter(since="1d", until="12h")
    expected = {
        row.id
        for row in corpus.rows
        if timedelta(hours=12) < corpus.now - from_micros(row.created_at_us) <= timedelta(days=1)
    }
    assert corpus.in_sql(wanted) == corpus.in_python(wanted) == expected != set()
