"""A filter decided without PostgreSQL, for records that are not stored yet.

It decides as the store's SQL does, except for three things that only PostgreSQL knows exactly:

- Words. Here a word is a run of letters and digits. PostgreSQL also takes hosts, paths, e-mail
  addresses, tags, numbers with a sign, point or exponent, and words joined by hyphens in one piece:
  `example` finds `example.com` here and not there.
- Case. Characters are folded one by one, by Python's table of Unicode; PostgreSQL uses the
  system's, and only ASCII in a database whose locale is C.
- Regular expressions, which are refused: Python's can take for ever, and mean other things.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dewey_logs.comparisons import Comparison
from dewey_logs.copydata import LEVELS
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, bounds, conditions, level_name, trace_forms
from dewey_logs.rows import LogRow
from dewey_logs.times import micros

SEARCHED_CHARS = 8_192

Check = Callable[[LogRow], bool]
_NOTHING = object()
_INDEX = re.compile(r"[ \t\n\v\f\r]*[-+]?[0-9]{1,9}")
_WORDS = re.compile(r"[^\W_]+")
_TERM = re.compile(r'(-?)"([^"]*)"?|(-?)([^\s"]+)')
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matcher(wanted: LogFilter, now: datetime | None = None) -> Check:
    """Return what says whether a row matches; `now` is what relative times count from.

    Raises BadFilter for whatever the store would refuse, and for a regular expression.
    """
    if wanted.regex is not None:
        raise BadFilter("regex is for stored records only: use words or contains")
    since, until = bounds(wanted, now or datetime.now(UTC))
    conditions(wanted, since, until)  # refuses what the store refuses
    checks = [*_plain_checks(wanted, since, until), *_text_checks(wanted)]
    inside = _data_checks(wanted)
    if inside:
        checks.append(lambda row: _all(inside, decoded(row.data)))
    return lambda row: _all(checks, row)


def _all(checks: list[Callable[[Any], bool]], value: object) -> bool:
    return all(check(value) for check in checks)


def _plain_checks(wanted: LogFilter, since: datetime | None, until: datetime | None) -> list[Check]:
    checks: list[Check] = []
    if since is not None:
        since_us = micros(since)
        checks.append(lambda row: row.created_at_us >= since_us)
    if until is not None:
        until_us = micros(until)
        checks.append(lambda row: row.created_at_us < until_us)
    if wanted.level is not None:
        levels = frozenset(LEVELS[LEVELS.index(level_name(wanted.level)) :])
        checks.append(lambda row: row.level in levels)
    if wanted.component:
        components = [_named(name) for name in wanted.component]
        checks.append(lambda row: any(holds(row.component) for holds in components))
    if wanted.trace_id is not None:
        whole, beginning = trace_forms(wanted.trace_id)
        checks.append(lambda row: _is_trace(row.trace_id or "", whole, beginning))
    return checks


def _is_trace(trace_id: str, whole: str, beginning: str | None) -> bool:
    if trace_id == whole or beginning is None:
        return trace_id == whole
    return len(trace_id) == 36 and trace_id.startswith(beginning)


def _named(name: str) -> Callable[[str], bool]:
    """Return what a component of that name, or glob, fulfils.

    The parts between stars are found in turn, each as early as possible: a regular expression would
    try all other ways before it says no, and with seven stars that takes a second a record.
    """
    first, *middle = name.split("*")
    if not middle:
        return lambda component: component == name
    *middle, last = middle

    def holds(component: str) -> bool:
        at, end = len(first), len(component) - len(last)
        if at > end or not (component.startswith(first) and component.endswith(last)):
            return False
        for part in middle:
            found = component.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return holds


def _text_checks(wanted: LogFilter) -> list[Check]:
    checks: list[Check] = []
    if wanted.contains is not None:
        part = folded(wanted.contains)
        checks.append(lambda row: part in folded(row.message))
    if wanted.search is not None:
        ways = _ways(wanted.search)
        checks.append(lambda row: _found(ways, row.message))
    return checks


def folded(text: str) -> str:
    """Return a text in lower case, character by character, as ILIKE compares."""
    if text.isascii():
        return text.lower()
    return "".join(character.lower()[0] for character in text)


def _ways(search: str) -> list[list[tuple[bool, str]]]:
    """Return what is searched for: one of these, and of that every (whether, words in a row)."""
    ways: list[list[tuple[bool, str]]] = [[]]
    for found in _TERM.finditer(search):
        term = found[2] if found[4] is None else found[4]
        if found[4] is not None and term.upper() == "OR" and ways[-1]:
            ways.append([])
            continue
        words = _in_a_row(term)
        if words.strip():
            ways[-1].append((not (found[1] or found[3] or term.startswith("-")), words))
    return [way for way in ways if way]


def _found(ways: list[list[tuple[bool, str]]], message: str) -> bool:
    text = _in_a_row(message[:SEARCHED_CHARS])
    return any(all((words in text) is whether for whether, words in way) for way in ways)


def _in_a_row(text: str) -> str:
    """Return the words between single blanks, so that words in a row are a part of it."""
    return f" {' '.join(_WORDS.findall(folded(text)))} "


def _data_checks(wanted: LogFilter) -> list[Callable[[object], bool]]:
    checks: list[Callable[[object], bool]] = []
    if wanted.data is not None:
        part = decoded(json.dumps(wanted.data).encode())
        checks.append(lambda data: contains(data, part))
    checks += [_compared(comparison) for comparison in wanted.where]
    return checks


def decoded(data: bytes | None) -> object:
    """Return a record's data, numbers as decimals of any length."""
    if data is None:
        return _NOTHING
    return json.loads(data, parse_float=Decimal, parse_int=Decimal)


def contains(whole: object, part: object) -> bool:
    """Say whether `part` is contained in `whole` the way jsonb's @> means it."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list | tuple):
        return isinstance(whole, list) and all(
            any(contains(item, wanted) for item in whole) for wanted in part
        )
    return same(whole, part)


def same(one: object, other: object) -> bool:
    """Say whether two JSON scalars are equal: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def _compared(wanted: Comparison) -> Callable[[object], bool]:
    path, value = wanted.path, _exact(wanted.value)
    if wanted.operator == "exists":
        return lambda data: _at(data, path) is not _NOTHING
    if wanted.operator == "missing":
        return lambda data: _at(data, path) is _NOTHING
    if wanted.operator == "=":
        return lambda data: same(_at(data, path), value)
    if wanted.operator == "!=":
        return lambda data: not same(_at(data, path), value)
    if wanted.operator == "~":
        part = folded(str(value))
        return lambda data: isinstance(text := _at(data, path), str) and part in folded(text)
    holds = _ORDERED[wanted.operator]
    kind = type(value)
    return lambda data: type(found := _at(data, path)) is kind and holds(found, value)


def _exact(value: object) -> object:
    """Return a number as the decimal that it is written as."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return Decimal(json.dumps(value))


def _at(data: object, path: tuple[str, ...]) -> object:
    """Return what lies at the path, as `#>` finds it."""
    for key in path:
        if isinstance(data, dict):
            data = data.get(key, _NOTHING)
        elif isinstance(data, list) and _INDEX.fullmatch(key):
            index = int(key)
            data = data[index] if -len(data) <= index < len(data) else _NOTHING
        else:
            return _NOTHING
    return data
