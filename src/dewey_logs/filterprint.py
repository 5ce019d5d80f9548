"""A filter printed back as the text that it is read from, each in one canonical form."""

from __future__ import annotations

import json
import re
from typing import Any

from dewey_logs.comparisons import Comparison
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter
from dewey_logs.filtertext import BARE, KEY, NAME, NAMES, REGEX, parsed_fields, scalar


def format_filter(wanted: LogFilter) -> str:
    """Return the text of a filter, which reads back as that filter; raises BadFilter for NaN."""
    none = LogFilter()
    terms = []
    for name, field in NAMES.items():
        value = getattr(wanted, field)
        if value != getattr(none, field):
            terms.append(_written(name, value))
    terms += [_comparison(comparison) for comparison in wanted.where]
    return " ".join(terms)


def _written(name: str, value: Any) -> str:
    if name == "search":
        return value if _plain_search(value) else f"search:{_quoted(value)}"
    if name == "level":
        return f"level>={_value(value)}"
    if name == "component":
        return "component:" + ",".join(_value(part, NAME) for part in value)
    if name == "data":
        return f"data:{_json(value)}"
    if name == "regex" and value.isprintable() and REGEX.fullmatch(f"/{value}/"):
        return f"regex:/{value}/"
    if name == "regex" and value.startswith("/"):
        return f"regex:{_quoted(value)}"
    return f"{name}:{_value(str(value))}"


def _plain_search(text: str) -> bool:
    """Say whether a search stands for itself, as words among the other terms."""
    try:
        return text.isprintable() and parsed_fields(text) == {"search": text}
    except BadFilter:
        return False


def _comparison(wanted: Comparison) -> str:
    place = ".".join(("data", *(_value(key, KEY) for key in wanted.path)))
    value = wanted.value
    if wanted.operator in ("exists", "missing"):
        return f"{place}{'=' if wanted.operator == 'exists' else '!='}*"
    if not isinstance(value, str):
        return f"{place}{wanted.operator}{_json(value)}"
    taken = value != "*" and scalar(value) is value  # else quotes make it a string
    bare = (wanted.operator == "~" or taken) and value[:1] not in ("{", "[", "=")
    return f"{place}{wanted.operator}{_value(value) if bare else _quoted(value)}"


def _value(text: str, bare: re.Pattern[str] = BARE) -> str:
    return text if text.isprintable() and bare.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return _visible(json.dumps(text, ensure_ascii=False))


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadFilter(f"the filter has no text: {exc}") from None
    return _visible(text)


def _visible(text: str) -> str:
    """Return JSON with an escape for whatever cannot be seen, which stands in strings only."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if character > "\x7f" else "\\u007f"
