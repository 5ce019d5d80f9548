"""Names with values inside text: `password=…`, `"token": "…"`, `?api_key=…`, `('cookie', '…')`.

The value is what a reader would take for it: a quoted text up to the quote that closes it, however
often all of it was escaped; a list, an object or a call up to its last bracket; else a run without
spaces. What nothing closes goes on to the end of its line: some words too many are a smaller loss
than half a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from clientlib.keyrules import KEEP, MASK, MASK_TEXT, SEPARATORS
from clientlib.pattern import Pattern

MAX_NAME_BEFORE = 64
_BLANK_SEPARATORS = str.maketrans(dict.fromkeys(SEPARATORS, " "))
_PREFIX = r"[bru]{0,2}"  # of Python's texts
_QUOTE = r"\\{0,16}[\"']"
# Of a header's credentials the scheme stays, unless they are several pairs themselves.
_VALUE = Pattern(
    r"\s{0,8}(?:(?:basic|bearer|token|api-?key|ntlm|negotiate)[ \t]+)?"
    rf"(?:{_PREFIX}(?P<quote>{_QUOTE})"
    r"|(?!\[REDACTED\])(?P<opened>[\w.]{0,64}[\[({])"
    r"|(?P<run>\[REDACTED\]|(?:digest|oauth|hawk|aws4-hmac-sha256)[ \t][^\r\n]+"
    r"|(?:[^\s\"'\\,;&}\])]|(?<=\w)[\"'](?=\w))+))",
    re.IGNORECASE,
)
_MARKS = Pattern(r"(?<!\\)\\*+[\"']|[\[({\])}]")
_IN_A_TUPLE = Pattern(rf"\({_PREFIX}{_QUOTE}\Z", re.IGNORECASE)


def pattern_of(names: Iterable[str]) -> Pattern:
    """Return the pattern of a name in any spelling, up to where its value begins."""
    loose = "|".join(_loose(name) for name in sorted(names, key=len, reverse=True))
    return Pattern(
        rf"(?P<name>(?:{loose})[\w.-]{{0,40}})"
        rf"(?:(?:{_QUOTE})?(?:\]|%5D)?\s{{0,8}}(?:=>|!?={{1,3}}|:=?)"
        rf"|(?P<comma>{_QUOTE},\s{{0,8}})(?={_PREFIX}{_QUOTE}))",
        re.IGNORECASE,
    )


def without_values(text: str, names: Pattern, verdict: Callable[[str], int]) -> str:
    """Mask the values of pairs; a value is read only once its whole key says that it counts.

    A value that stays may hold pairs itself, so the search goes on right after the name.
    """
    kept: list[str] = []
    done = searched = 0
    torn = False  # something is never closed; to look to the end for each would be quadratic
    while match := names.search(text, searched):
        searched = match.end("name")
        found = verdict(_whole_key(text, match))
        if found == KEEP or (value := _VALUE.match(text, match.end())) is None:
            continue
        start, end = value.span(value.lastgroup or 0)
        if value["run"] is None:
            quote = value["quote"] or ""
            start = end if quote else start
            limit = _line_end(text, end) if torn else len(text)
            closed = _end(text, end, limit, quote)
            torn = torn or closed is None
            end = _line_end(text, end) if closed is None else closed
        if found == MASK_TEXT and value["opened"] is None and _is_number(text[start:end]):
            continue
        kept += [text[done:start], MASK]
        done = searched = end
    return "".join(kept) + text[done:]


def _whole_key(text: str, match: re.Match[str]) -> str:
    """Return the key that the name is the end of: `access_` belongs to `token`.

    Nothing where a comma follows, unless both stand in a tuple of their own.
    """
    start = match.start("name")
    first = max(0, start - MAX_NAME_BEFORE)
    while start > first and (text[start - 1].isalnum() or text[start - 1] in "_-."):
        start -= 1
    if match["comma"] is not None and not _IN_A_TUPLE.search(text[max(0, start - 20) : start]):
        return ""
    return text[start : match.end("name")]


def _end(text: str, start: int, limit: int, quote: str) -> int | None:
    """Return where a quoted text ends, or else a bracket that was opened just before, with it.

    What opens a text closes it, with as many backslashes before it: where there are more, it may be
    part of the text, as JSON or as Python escapes it, or both in turn.
    """
    depth, inside = int(not quote), quote
    for match in _MARKS.finditer(text, start, limit):
        mark = match[0]
        if inside:
            if mark == inside:
                inside = ""
        elif mark in "[({":
            depth += 1
        elif mark in "])}":
            depth -= 1
        else:
            inside = mark
        if not inside and not depth:
            return int(match.end()) - len(quote)
    return None


def _line_end(text: str, start: int) -> int:
    found = text.find("\n", start)
    return len(text) if found < 0 else found


def _is_number(text: str) -> bool:
    return text.lower() in ("true", "false", "null", "none") or text.replace(".", "", 1).isdigit()


def _loose(name: str) -> str:
    """Return a pattern for the name with any separators between its words."""
    words = name.translate(_BLANK_SEPARATORS).split(" ")
    return r"[-_. ]?".join(re.escape(word) for word in words if word) or r"(?!)"
