r"""A filter as one line of text, the same for the command line, MCP and HTTP.

    level>=warn component:api.*,web since:-1h "card declined" -timeout data.order>8000

Terms stand apart by blanks and all of them must hold. What has no name is searched for: words,
"phrases", -not, OR. Names that do not exist are refused rather than searched for, because
`service:web` would quietly find nothing; in quotes they are words again.

A value ends at the next blank, or is a JSON string in quotes. `regex:/a.*b/` ends at the next slash
without a backslash and needs no doubled backslashes. `data:{"a": 1}` is one JSON object.
`data.a.b=1` compares with a number, true, false or null where the value reads as one, and else with
a string; `data.a="1"` is always a string, `data.a=*` asks whether there is anything at all. A time
without a zone is UTC.

`trace:order-10` is that trace and not order-100. Only of a UUID the beginning will do, its first 8
digits or more: `trace:4bf92f35`.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from dewey_logs.comparisons import Comparison, Operator, Scalar
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter

MAX_FILTER_CHARS = 40_000
NAMES = {  # as it is written, and the field that it is
    "since": "since",
    "until": "until",
    "level": "level",
    "component": "component",
    "trace": "trace_id",
    "search": "search",
    "contains": "contains",
    "regex": "regex",
    "data": "data",
    "order": "order",
    "limit": "limit",
    "cursor": "cursor",
}
KNOWN = ", ".join((*NAMES, "data.KEY"))

_BLANKS = re.compile(r"[ \t\r\n\f\v]*")
_TERM = re.compile(r"([A-Za-z_][\w.-]*)(:|>=|<=|!=|=|<|>|~)", re.ASCII)
_DATA = re.compile(r"data\.")
KEY = re.compile(r"[^\s\".=<>!~:]+")
_OPERATOR = re.compile(r"!=|<=|>=|=|<|>|~")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
BARE = re.compile(r"[^\s\"]+")
NAME = re.compile(r"[^\s\",]+")
REGEX = re.compile(r"/((?:[^/\\]|\\.)+)/", re.DOTALL)
_PHRASE = re.compile(r'-?"[^"]*"')
_WORD = re.compile(r"[^ \t\r\n\f\v\"]+")
_LIMIT = re.compile(r"-?\d{1,9}", re.ASCII)
_END = re.compile(r"[ \t\r\n\f\v]|\Z")


def parse_filter(text: str) -> LogFilter:
    """Return the filter that a text means; raises BadFilter, which names the place.

    Only the form is looked at here: whether a level or a time exists is seen when it is used.
    """
    return LogFilter(**parsed_fields(text))


def narrowed(text: str, wanted: LogFilter) -> LogFilter:
    """Return a filter narrowed by a text; raises BadFilter where both say the same thing.

    The text's limit and order go before the filter's.
    """
    fields = parsed_fields(text)
    none = LogFilter()
    for name, field in NAMES.items():
        twice = field in fields and getattr(wanted, field) != getattr(none, field)
        if twice and field not in ("limit", "order"):
            raise BadFilter(f"{name} is given twice, once inside the filter's text")
    where = wanted.where + fields.pop("where", ())
    return msgspec.structs.replace(wanted, **fields, where=where)


def parsed_fields(text: str) -> dict[str, Any]:
    """Return what a text says, by field of LogFilter; raises BadFilter."""
    if len(text) > MAX_FILTER_CHARS:
        raise BadFilter(f"the filter has {len(text)} characters: allowed are {MAX_FILTER_CHARS}")
    return _Reader(text).fields()


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._fields: dict[str, Any] = {}
        self._where: list[Comparison] = []
        self._words: list[str] = []
        self._or_at: int | None = None  # of an OR that still wants a word behind it
        self._after_word = False

    def fields(self) -> dict[str, Any]:
        while self._skip_blanks():
            named = _TERM.match(self._text, self._at)
            if _DATA.match(self._text, self._at):
                self._leave_words()
                self._comparison()
            elif named:
                self._leave_words()
                self._field(named[1], named[2], named.end())
            else:
                self._word()
        self._leave_words()
        if self._words:
            self._set("search", "search", " ".join(self._words), 0)
        if self._where:
            self._fields["where"] = tuple(self._where)
        return self._fields

    def _skip_blanks(self) -> bool:
        self._at = self._match(_BLANKS).end()
        return self._at < len(self._text)

    def _match(self, form: re.Pattern[str]) -> re.Match[str]:
        found = form.match(self._text, self._at)
        assert found is not None
        return found

    def _word(self) -> None:
        text, at = self._text, self._at
        sign = text[at : at + 2]
        if sign[:1] == '"' or sign == '-"':
            found = _PHRASE.match(text, at)
            if found is None:
                self._refuse("a quote is not closed")
        else:
            found = self._match(_WORD)
            if sign.lstrip("-")[:1] in ("(", ")") and sign != "-":
                self._refuse("parentheses are not known: write words, -not and OR without them")
            if _TERM.match(text, at + 1):
                self._refuse("only words can be negated; of fields only data.KEY!=VALUE")
        word = found[0]
        if word.upper() == "OR":
            if not self._after_word:
                self._refuse('OR stands between two words; the word itself is "or"')
            self._or_at = at
        else:
            self._or_at = None
        self._after_word = self._or_at is None
        self._words.append(word)
        self._end_value(found.end())

    def _leave_words(self) -> None:
        """Come to the end of words that stand together: OR does not reach beyond them."""
        if self._or_at is not None:
            self._at = self._or_at
            self._refuse('OR stands between two words; the word itself is "or"')
        self._after_word = False

    def _field(self, name: str, sign: str, start: int) -> None:
        at = self._at
        if name == "trace_id":
            name = "trace"
        if name not in NAMES:
            self._refuse(f"{name!r:.40} is no field: allowed are {KNOWN}; a word stands in quotes")
        if sign != ":" and (name, sign) != ("level", ">="):
            better = "level>=" if name == "level" else f"{name}:"
            self._refuse(f"{name}{sign} is not possible: write {better}")
        self._at = start
        self._set(name, NAMES[name], self._value(name), at)

    def _value(self, name: str) -> object:
        if name == "component":
            return self._names()
        if name == "data":
            return self._object()
        if name == "regex" and self._text.startswith("/", self._at):
            found = REGEX.match(self._text, self._at)
            if found is None:
                self._refuse("regex:/…/ is empty or not closed")
            self._end_value(found.end())
            return found[1]
        at = self._at
        value = self._string(BARE, name)
        self._end_value(self._at)
        if name == "limit":
            if not _LIMIT.fullmatch(value):
                self._refuse("limit takes a number", at)
            return int(value)
        if name == "order" and value not in ("asc", "desc"):
            self._refuse("order takes asc or desc", at)
        return value

    def _names(self) -> tuple[str, ...]:
        names = [self._string(NAME, "component")]
        while self._text.startswith(",", self._at):
            self._at += 1
            names.append(self._string(NAME, "component"))
        self._end_value(self._at)
        return tuple(names)

    def _object(self) -> dict[str, object]:
        try:
            value, end = _decoder.raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            value, end = None, self._at
        if not isinstance(value, dict):
            self._refuse('data: takes a JSON object, like data:{"order": 8812}')
        self._end_value(end)
        return value

    def _comparison(self) -> None:
        self._at += len("data.")
        path = [self._string(KEY, "data.")]
        while self._text.startswith(".", self._at):
            self._at += 1
            path.append(self._string(KEY, "data."))
        sign = _OPERATOR.match(self._text, self._at)
        if sign is None:
            self._refuse("a comparison is written without blanks, by = != < <= > >= or ~")
        self._at = sign.end()
        self._where.append(self._compared(tuple(path), sign[0]))

    def _compared(self, path: tuple[str, ...], sign: str) -> Comparison:
        quoted = self._text.startswith('"', self._at)
        if self._text.startswith(("{", "["), self._at):
            self._refuse('a comparison takes no object and no array: write data:{"a": {"b": 1}}')
        text = self._string(BARE, f"data.{path[-1]:.40}{sign}")
        self._end_value(self._at)
        if text == "*" and not quoted and sign in ("=", "!="):
            return Comparison(path, "exists" if sign == "=" else "missing")
        operator: Operator = sign  # type: ignore[assignment]  # _OPERATOR knows no others
        return Comparison(path, operator, text if quoted or sign == "~" else scalar(text))

    def _string(self, bare: re.Pattern[str], name: str) -> str:
        """Read a string in quotes, or what is allowed without."""
        quoted = self._text.startswith('"', self._at)
        found = (_STRING if quoted else bare).match(self._text, self._at)
        if found is None:
            self._refuse("a quote is not closed" if quoted else f"{name} has no value")
        if quoted:
            try:
                value = json.loads(found[0], strict=False)
            except ValueError:
                self._refuse('what is in quotes is no JSON string: write \\" and \\\\')
        else:
            value = found[0]
        self._at = found.end()
        return str(value)

    def _end_value(self, end: int) -> None:
        self._at = end
        if not _END.match(self._text, end):
            self._refuse("a blank has to follow here, or the whole value stands in quotes")

    def _set(self, name: str, field: str, value: object, at: int) -> None:
        if field in self._fields:
            self._refuse(f"{name} is given twice", at)
        self._fields[field] = value

    def _refuse(self, reason: str, at: int | None = None) -> NoReturn:
        place = self._at if at is None else at
        near = self._text[place : place + 20]
        where = f"character {place + 1} ({near!r})" if near else "its end"
        raise BadFilter(f"the filter cannot be read at {where}: {reason}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def scalar(text: str) -> Scalar:
    """Return the number, true, false or null that a text is in JSON, or the text itself."""
    try:
        value = _decoder.decode(text)
        if isinstance(value, float):
            json.dumps(value, allow_nan=False)  # 1e999 is no number that can be written again
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | bool | None) else text
