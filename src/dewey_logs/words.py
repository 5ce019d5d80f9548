"""A search for words as SQL, with what is cheaper to look at before a message is taken apart.

Taking a message apart into words costs 12 µs, and PostgreSQL does it for every record that no index
covers, and for every hit of a phrase, because the index knows no positions. To look for a part of
the message costs a tenth. So what every match must contain is looked for first; and an index is
asked for a phrase's words, and the phrase itself only where these follow each other.

What is certain about the search is decided here, as PostgreSQL's parser would: a token that could
be read in two ways makes nothing certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString, NamedTuple

MAX_LEXEME_BYTES = 2_047  # longer ones are left out: what stands around them is adjoining
MAX_ADJOINING = 4  # words of a phrase that are looked for in a row

_TERM = re.compile(r'(-?)"([^"]*)"?|([^ \t\r\n\f\v"]+)')
_BETWEEN_WORDS = re.compile(r"[ \t\r\n\f\v]+")
_OR = re.compile(r"\bor(?![A-Za-z0-9_-])", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*|[0-9]+(?:(?![eE][0-9])[A-Za-z][A-Za-z0-9]*)?")
_HYPHENATED = re.compile(r"-?[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_RUN = re.compile(r"[A-Za-z]{2,}|[0-9]{2,}")
_TAG = re.compile(r"<.*>", re.DOTALL)
_LEFT_OUT = re.compile(r"&|://")
_OTHER_FORMS = re.compile("[kKiI]")  # see substring.py
_NAMES: tuple[LiteralString, ...] = (
    "word_0", "word_1", "word_2", "word_3", "word_4", "word_5", "word_6", "word_7",
)  # fmt: skip
_FOUND: LiteralString = (
    "to_tsvector('simple', left(message, 8192)) @@ websearch_to_tsquery('simple', %({0})s)"
)
_PART: LiteralString = 'strpos(lower(message COLLATE "C"), %({0})s) > 0'
# quicker than ILIKE, and what a few more messages pass is decided by the words themselves
_PART_IN_ANY_FORM: LiteralString = (
    f"({_PART} OR octet_length(message) > length(message)"
    ' AND lower(message COLLATE "C") LIKE %({0}_forms)s)'
)
# CASE, because of two conditions joined by AND the index would be asked for both
_ADJOINING: LiteralString = (
    "CASE WHEN message ~* %(adjoining)s OR octet_length(message) > %(longest)s"
    f" THEN {_FOUND.format('search')} ELSE false END"
)

Clause = tuple[LiteralString, dict[str, object]]


class _Term(NamedTuple):
    """One term of a search: a phrase, or a token between blanks."""

    text: str
    phrase: bool
    negated: bool


def search_sql(search: str) -> Iterator[Clause]:
    """Yield the conditions that together mean a search, with what they bind."""
    loose, adjoining = taken_apart(search)
    if adjoining:
        yield _FOUND.format("words"), {"words": loose}
        more = {"search": search, "adjoining": adjoining, "longest": MAX_LEXEME_BYTES}
        yield _ADJOINING, more
    else:
        yield _FOUND.format("search"), {"search": search}
    yield from _parts_sql(required_words(search))


def _parts_sql(ways: tuple[tuple[str, ...], ...]) -> Iterator[Clause]:
    """Yield what to look for first: parts of a message, of which it has all of one way's."""
    names = iter(_NAMES)
    most = len(_NAMES) // max(len(ways), 1)
    parts = [[_part_sql(*one) for one in zip(way[:most], names, strict=False)] for way in ways]
    if len(parts) == 1:
        yield from parts[0]
    elif parts and all(parts):
        every: list[LiteralString] = [" AND ".join(clause for clause, _ in way) for way in parts]
        values = {name: value for way in parts for _, bound in way for name, value in bound.items()}
        yield f"(({') OR ('.join(every)}))", values


def _part_sql(part: str, name: LiteralString) -> Clause:
    """Return the condition that a message contains ASCII letters or digits in any case."""
    values: dict[str, object] = {name: part.lower()}
    if not _OTHER_FORMS.search(part):
        return _PART.format(name), values
    forms = _OTHER_FORMS.sub("_", part).lower()
    return _PART_IN_ANY_FORM.format(name), {**values, f"{name}_forms": f"%{forms}%"}


def required_words(search: str) -> tuple[tuple[str, ...], ...]:
    """Return plain words, the longest first: every match contains all of one of these; or nothing.

    Of what is put together, as /api/orders or user-7, a run of letters or of digits will do: it is
    a part of some lexeme. Each way of an OR has its words; none are certain if some way has none.
    """
    ways: list[list[str]] = [[]]
    begun = False
    for term in _terms(search):
        if not term.phrase and term.text.upper() == "OR" and begun:
            ways.append([])
            begun = False
            continue
        begun = True
        if term.phrase:
            tokens = [] if term.negated else _BETWEEN_WORDS.split(_TAG.sub("<>", term.text))
        elif _is_uncertain(term.text):
            return ()
        else:
            tokens = [_TAG.sub("<>", term.text)]
        for token in tokens:
            ways[-1] += _parts(token)
    if not all(ways):
        return ()
    return tuple(tuple(sorted(dict.fromkeys(way), key=len, reverse=True)) for way in ways)


def taken_apart(search: str) -> tuple[str, str | None]:
    """Return a search for the words of its phrases, which more match, and a regular expression.

    Whatever matches the search itself matches that, too, in any case: the words of its longest
    phrase follow each other with nothing in between that is a lexeme. None where that is uncertain.
    """
    loose: list[str] = []
    longest: list[str] = []
    for term in _terms(search):
        words = _BETWEEN_WORDS.split(term.text.strip()) if term.phrase else []
        if not term.phrase and (_is_uncertain(term.text) or term.text.upper() == "OR"):
            return search, None
        if term.negated or not words:
            loose.append(f'-"{term.text}"' if term.negated else term.text)
        elif all(map(_PLAIN.fullmatch, words)):
            loose += [f'"{word}"' for word in words]
            longest = max(longest, words, key=len)
        else:
            loose.append(f'"{term.text}"')
    if len(longest) < 2:
        return search, None
    row = "[^A-Za-z0-9]*".join(_OTHER_FORMS.sub(".", word) for word in longest[:MAX_ADJOINING])
    return " ".join(loose), rf"[<&]|://|{row}"


def _terms(search: str) -> Iterator[_Term]:
    for minus, phrase, token in _TERM.findall(search):
        yield _Term(token or phrase, not token, bool(minus))


def _is_uncertain(token: str) -> bool:
    """Say whether a minus or an OR in a token may be an operator all the same."""
    if "-" in token:
        return not _HYPHENATED.fullmatch(token)
    return token.upper() != "OR" and bool(_OR.search(token))


def _parts(token: str) -> list[str]:
    """Return parts of a token that are parts of its lexemes.

    Plain is what the text parser makes exactly one lexeme of: ASCII letters and digits, unless they
    begin like a number with an exponent, which 48e25b does: 48e25 and b. Tags, entities and
    protocols are left out by the parser.
    """
    if _PLAIN.fullmatch(token):
        return [token]
    if token.isascii() and not token.startswith("-") and not _LEFT_OUT.search(token):
        return _RUN.findall(token)
    return []
