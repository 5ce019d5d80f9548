"""One grammar for the command line, MCP and HTTP: what to look for, checked, and as SQL.

Nothing a person wrote becomes part of a statement: every clause below is a constant, every value a
parameter. What cannot be meant is refused here, in one line that names the field, before PostgreSQL
is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, LiteralString

import msgspec

from dewey_logs.comparisons import MAX_COMPARISONS, Comparison, comparison_sql, like
from dewey_logs.copydata import LEVELS
from dewey_logs.errors import BadFilter
from dewey_logs.substring import substring_sql
from dewey_logs.times import parse_time
from dewey_logs.words import search_sql

MAX_LIMIT = 1_000
MAX_TEXT_CHARS = 1_000
MAX_REGEX_CHARS = 200
MAX_NAME_CHARS = 128
MAX_COMPONENTS = 100
MAX_DATA_BYTES = 16_384
MAX_DATA_DEPTH = 64
MIN_PREFIX_CHARS = 8

_ALIASES = {"WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_ESCAPED = re.compile(r"\\([^1-9])", re.DOTALL)  # an escape that is no back-reference
_BACK_REFERENCE = re.compile(r"\\[1-9]")
_HEXADECIMAL = re.compile(r"[0-9a-f-]{8,36}")
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 36))  # of a UUID's digits


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for. Every part narrows the rest; without any, it is the newest records.

    `since` is included, `until` is not. `component` holds names and globs (`api.*`), any of which
    may match; `level` is the minimum. `trace_id` is a whole id, or at least 8 digits a UUID
    begins with. `search` takes words (all of them), "phrases", -not and OR, over the first 8 KiB of
    the message; `contains` a substring in any case; `regex` a PostgreSQL regular expression. `data`
    is what the record's data must contain, `where` what must hold at places of it.
    """

    since: str | None = None
    until: str | None = None
    component: tuple[str, ...] = ()
    level: str | None = None
    trace_id: str | None = None
    search: str | None = None
    contains: str | None = None
    regex: str | None = None
    data: Mapping[str, object] | None = None
    where: tuple[Comparison, ...] = ()
    limit: int = 100
    cursor: str | None = None
    order: Literal["asc", "desc"] = "desc"


class Conditions:
    """SQL that has to hold, joined by AND, with the values it binds."""

    def __init__(self) -> None:
        self.clauses: list[LiteralString] = []
        self.values: dict[str, object] = {}

    def add(self, clause: LiteralString, **values: object) -> None:
        self.clauses.append(clause)
        self.values.update(values)

    @property
    def where(self) -> LiteralString:
        return " AND ".join(self.clauses) or "true"


def bounds(wanted: LogFilter, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the moments that `since` and `until` mean; raises BadFilter."""
    since = None if wanted.since is None else parse_time("since", wanted.since, now)
    until = None if wanted.until is None else parse_time("until", wanted.until, now)
    if since is not None and until is not None and since >= until:
        raise BadFilter(f"since={wanted.since} is not before until={wanted.until}")
    return since, until


def conditions(wanted: LogFilter, since: datetime | None, until: datetime | None) -> Conditions:
    """Return the filter as SQL, without limit, order and cursor; raises BadFilter."""
    found = Conditions()
    if since is not None:
        found.add("created_at >= %(since)s", since=since)
    if until is not None:
        found.add("created_at < %(until)s", until=until)
    _components(wanted.component, found)
    if wanted.level is not None:
        found.add("level >= %(level)s::log_level", level=level_name(wanted.level))
    if wanted.trace_id is not None:
        _trace(_text("trace_id", wanted.trace_id, MAX_NAME_CHARS), found)
    if wanted.search is not None:
        _search(_text("search", wanted.search, MAX_TEXT_CHARS), found)
    if wanted.contains is not None:
        part = _text("contains", wanted.contains, MAX_TEXT_CHARS)
        clause, values = substring_sql(part, "contains")
        found.add(clause, **values)
    if wanted.regex is not None:
        found.add("message ~ %(regex)s", regex=_regex(wanted.regex))
    if wanted.data is not None:
        found.add("data @> %(data)s::jsonb", data=_json(wanted.data))
    _comparisons(wanted.where, found)
    return found


def check_paging(wanted: LogFilter) -> None:
    """Refuse a limit or an order that does not exist."""
    check_limit(wanted.limit)
    if wanted.order not in ("asc", "desc"):
        raise BadFilter(f"order={wanted.order!r:.40} is not known: allowed are asc and desc")


def check_limit(limit: int, most: int = MAX_LIMIT, name: str = "limit") -> None:
    """Refuse a limit that does not exist; raises BadFilter."""
    if not 1 <= limit <= most:
        raise BadFilter(f"{name}={limit} is not possible: allowed is 1 to {most}")


def level_name(text: str) -> str:
    """Return a level as it is stored, aliases included; raises BadFilter."""
    name = text.strip().upper()
    name = _ALIASES.get(name, name)
    if name not in LEVELS:
        raise BadFilter(f"level={text!r:.40} does not exist: allowed are {' '.join(LEVELS)}")
    return name


def _text(name: str, text: str, max_chars: int) -> str:
    if not text.strip():
        raise BadFilter(f"{name} is empty: leave it out instead")
    if len(text) > max_chars:
        raise BadFilter(f"{name} has {len(text)} characters: allowed are {max_chars}")
    if "\0" in text:
        raise BadFilter(f"{name} contains a NUL, which no record can")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadFilter(f"{name} is no valid Unicode") from None
    return text


def _components(names: tuple[str, ...], found: Conditions) -> None:
    if not names:
        return
    if len(names) > MAX_COMPONENTS:
        raise BadFilter(f"component has {len(names)} names: allowed are {MAX_COMPONENTS}")
    checked = [_text("component", name, MAX_NAME_CHARS) for name in names]
    exact = [name for name in checked if "*" not in name]
    globs = ["%".join(like(part) for part in name.split("*")) for name in checked if "*" in name]
    # a single name or pattern gets a clause that can use the index's order or its prefix
    if len(exact) == 1 and not globs:
        found.add("component = %(component)s", component=exact[0])
    elif not globs:
        found.add("component = ANY (%(components)s)", components=exact)
    elif len(globs) == 1 and not exact:
        found.add("component LIKE %(glob)s", glob=globs[0])
    else:
        found.add(
            "(component = ANY (%(components)s::text[]) OR component LIKE ANY (%(globs)s))",
            components=exact,
            globs=globs,
        )


def _trace(text: str, found: Conditions) -> None:
    whole, beginning = trace_forms(text)
    if beginning is None:
        found.add("trace_id = %(trace)s", trace=whole)
    else:
        found.add(
            "(trace_id = %(trace)s OR trace_id ^@ %(trace_uuid)s AND length(trace_id) = 36)",
            trace=whole,
            trace_uuid=beginning,
        )


def trace_forms(text: str) -> tuple[str, str | None]:
    """Return the trace id that a text is, and the beginning of a UUID that it may be instead.

    Nobody types a whole UUID, and W3C ids are stored as such. Of other ids one may well be the
    beginning of another, as order-10 is of order-100, so those are always meant whole. Which ids
    are stored does not matter: a clear must not reach further once it has removed some.
    """
    lower = text.lower()
    digits = lower.replace("-", "") if _HEXADECIMAL.fullmatch(lower) else ""
    hyphenated = "-".join(filter(None, (digits[a:b] for a, b in _GROUPS)))
    if len(digits) == 32:
        return hyphenated, None
    return text, hyphenated if MIN_PREFIX_CHARS <= len(digits) < 32 else None


def _comparisons(where: tuple[Comparison, ...], found: Conditions) -> None:
    if len(where) > MAX_COMPARISONS:
        raise BadFilter(f"data has {len(where)} comparisons: allowed are {MAX_COMPARISONS}")
    for number, comparison in enumerate(where):
        clause, values = comparison_sql(comparison, number)
        found.add(clause, **values)


def _search(text: str, found: Conditions) -> None:
    if not any(character.isalnum() for character in text):
        raise BadFilter(f"search={text!r:.60} contains no word")
    for clause, values in search_sql(text):
        found.add(clause, **values)


def _regex(text: str) -> str:
    checked = _text("regex", text, MAX_REGEX_CHARS)
    if _BACK_REFERENCE.search(_ESCAPED.sub("", checked)):
        raise BadFilter("regex has a back-reference, which can take for ever: write it without")
    return checked


def _json(value: Mapping[str, object]) -> str:
    if not isinstance(value, Mapping):
        raise BadFilter('data is not an object: give one like {"order": 8812}')
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as exc:
        raise BadFilter(f"data cannot be written as JSON: {exc}") from None
    if size > MAX_DATA_BYTES:
        raise BadFilter(f"data has {size} bytes: allowed are {MAX_DATA_BYTES}")
    if r"\u0000" in text.replace(r"\\", ""):
        raise BadFilter("data contains a NUL, which no record can")
    if _depth(value) > MAX_DATA_DEPTH:
        raise BadFilter(f"data is nested deeper than {MAX_DATA_DEPTH} levels, which no record is")
    return text


def _depth(value: object) -> int:
    """Return how many objects and arrays lie in each other; json.dumps has been there before."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        inner, level = waiting.pop()
        if isinstance(inner, Mapping):
            inner = list(inner.values())
        if isinstance(inner, list | tuple):
            deepest = max(deepest, level)
            waiting += [(item, level + 1) for item in inner]
    return deepest
