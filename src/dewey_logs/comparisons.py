"""Conditions on one place of a record's data: `order>8000`, `user.name=bob`.

Equality is containment wherever it can be, because the index over data answers nothing else
(measured: 2 ms, and 747 ms for `->>`). All other conditions are decided row by row, so they want
something beside them that leaves few rows: a time, a component, a level.

A value of another type than the one asked for does not match, and never raises: numbers are
compared with numbers, as decimals of any length, and strings with strings, by code point.
"""

from __future__ import annotations

import json
import re
from typing import Literal, LiteralString

import msgspec

from dewey_logs.errors import BadFilter

MAX_COMPARISONS = 20
MAX_PATH_KEYS = 32
MAX_KEY_CHARS = 256
MAX_VALUE_CHARS = 1_000

Scalar = str | int | float | bool | None
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "exists", "missing"]
_AN_INDEX = re.compile(r"\s*[-+]?\d")  # what `#>` would take for one, inside an array

_AT: LiteralString = "data #> %(path_{0})s::text[]"
_NUMBER: LiteralString = f"(jsonb_typeof({_AT}) = 'number' AND {_AT}"
_STRING: LiteralString = f"(jsonb_typeof({_AT}) = 'string' AND (data #>> %(path_{{0}})s::text[])"
_CONTAINED: LiteralString = "data @> %(value_{0})s::jsonb"
_EQUAL: LiteralString = f"{_AT} = %(value_{{0}})s::jsonb"
_SLOTS: tuple[LiteralString, ...] = (
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
    "10", "11", "12", "13", "14", "15", "16", "17", "18", "19",
)  # fmt: skip
_ORDERED: dict[str, tuple[LiteralString, LiteralString]] = {
    "<": (
        f"{_NUMBER} < %(value_{{0}})s::jsonb)",
        f'{_STRING} COLLATE "C" < %(value_{{0}})s::text)',
    ),
    "<=": (
        f"{_NUMBER} <= %(value_{{0}})s::jsonb)",
        f'{_STRING} COLLATE "C" <= %(value_{{0}})s::text)',
    ),
    ">": (
        f"{_NUMBER} > %(value_{{0}})s::jsonb)",
        f'{_STRING} COLLATE "C" > %(value_{{0}})s::text)',
    ),
    ">=": (
        f"{_NUMBER} >= %(value_{{0}})s::jsonb)",
        f'{_STRING} COLLATE "C" >= %(value_{{0}})s::text)',
    ),
}


class Comparison(msgspec.Struct, frozen=True):
    """What has to hold at one place of data.

    `path` are the keys that lead there; inside an array a key is a position, from 0, or from -1
    backwards. `!=` is the opposite of `=`: it also holds where there is nothing. `<` to `>=` take a
    number or a string, `~` a part of a string in any case. `exists` and `missing` take no value;
    null exists.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Scalar = None


def comparison_sql(wanted: Comparison, number: int) -> tuple[LiteralString, dict[str, object]]:
    """Return the condition and what it binds, its parameters numbered; raises BadFilter."""
    _check(wanted)
    slot = _SLOTS[number]
    clause, value = _clause(wanted)
    values: dict[str, object] = {}
    if "path_" in clause:
        values[f"path_{slot}"] = list(wanted.path)
    if "value_" in clause:
        values[f"value_{slot}"] = value
    return clause.format(slot), values


def _clause(wanted: Comparison) -> tuple[LiteralString, str]:
    """Return the SQL with {0} for the number, and the value as it is bound."""
    value = wanted.value
    if wanted.operator == "exists":
        return f"{_AT} IS NOT NULL", ""
    if wanted.operator == "missing":
        return f"{_AT} IS NULL", ""
    if wanted.operator in ("=", "!="):
        if _is_containment(wanted):
            clause, bound = _CONTAINED, _inside(wanted.path, value)
        else:
            clause, bound = _EQUAL, json.dumps(value)
        return clause if wanted.operator == "=" else f"({clause}) IS NOT TRUE", bound
    if isinstance(value, str):
        if wanted.operator == "~":
            return f"{_STRING} ILIKE %(value_{{0}})s::text)", f"%{like(value)}%"
        return _ORDERED[wanted.operator][1], value
    return _ORDERED[wanted.operator][0], json.dumps(value)


def indexable(wanted: Comparison) -> bool:
    """Say whether the index over data finds what matches."""
    return wanted.operator == "=" and _is_containment(wanted)


def _is_containment(wanted: Comparison) -> bool:
    return not any(map(_AN_INDEX.match, wanted.path))


def _inside(path: tuple[str, ...], value: Scalar) -> str:
    """Return the object, as JSON, that holds nothing but this value."""
    whole: object = value
    for key in reversed(path):
        whole = {key: whole}
    return json.dumps(whole, ensure_ascii=False)


def like(text: str) -> str:
    """Return the text so that LIKE takes every character of it as it stands."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _check(wanted: Comparison) -> None:
    """Refuse what cannot be meant."""
    name = f"data.{'.'.join(wanted.path)}"[:60]
    value = wanted.value
    if not 1 <= len(wanted.path) <= MAX_PATH_KEYS:
        raise BadFilter(f"{name!r} has {len(wanted.path)} keys: allowed are 1 to {MAX_PATH_KEYS}")
    if any(len(key) > MAX_KEY_CHARS for key in wanted.path):
        raise BadFilter(f"{name!r} has a key of more than {MAX_KEY_CHARS} characters")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        written = "".join((*wanted.path, text, value if isinstance(value, str) else ""))
        written.encode()
    except (ValueError, TypeError):
        raise BadFilter(f"{name!r} is compared with what is no JSON value") from None
    if len(text) > MAX_VALUE_CHARS:
        raise BadFilter(
            f"{name!r} is compared with {len(text)} characters: allowed are {MAX_VALUE_CHARS}"
        )
    if "\0" in written:
        raise BadFilter(f"{name!r} contains a NUL, which no record can")
    if wanted.operator == "~" and not (isinstance(value, str) and value):
        raise BadFilter(f"{name!r} ~ takes a part of a string")
    if wanted.operator in _ORDERED and (value is None or isinstance(value, bool)):
        raise BadFilter(f"{name!r} {wanted.operator} takes a number or a string")
    if wanted.operator not in ("=", "!=", "~", "exists", "missing", *_ORDERED):
        raise BadFilter(f"{wanted.operator!r:.20} is no comparison: allowed are = != < <= > >= ~")
