"""Text out of the log, as a model or a terminal may safely see it.

What cannot be seen (escape sequences, text that runs backwards, characters of no width) is written
as an escape, so that nothing is hidden from a reader and nothing is lost; what is long is cut and
says how long it was.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import accumulate

from dewey_logs.tools.answer import JSON

BYTES_A_CHAR = 6  # what a value may take, for each character that a text may have
LEAST_BYTES = 200
KEYS_SHOWN = 20
KEY_CHARS = 64
NAME_CHARS = 128
_PLAIN = ("\n", "\t")
# Printable by their category and yet nothing to see: fillers, joiners, an empty Braille cell, and
# the selectors, in which whole sentences can be hidden behind one letter.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """Return a text in which every character can be seen."""
    if _plain(text):
        return text
    return "".join(map(_visible, text))


def _plain(text: str) -> bool:
    return text.isprintable() and (text.isascii() or not _BLANK.search(text))


def _visible(character: str) -> str:
    if _plain(character) or character in _PLAIN:
        return character
    if unicodedata.category(character) == "Zs":  # a blank, if a wide or an unbreakable one
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def cut(text: str, chars: int) -> str:
    """Return a text that can be seen, of so many characters at most, and how many there were.

    An escape counts as what it is written with, or a text of nothing else would be ten times as
    long as it may.
    """
    if len(text) <= chars and _plain(text):
        return text
    shown = text[:chars]
    if not _plain(shown):
        ends = accumulate(len(_visible(character)) for character in shown)
        shown = shown[: sum(end <= chars for end in ends)]
    if len(shown) == len(text):
        return visible(text)
    return f"{visible(shown)}… [{len(shown)} of {len(text)} characters]"


def shown(value: object, chars: int) -> object:
    """Return a JSON value whose texts are cut and can be seen."""
    if isinstance(value, str):
        return cut(value, chars)
    if isinstance(value, Mapping):
        return {visible(str(key)): shown(item, chars) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item, chars) for item in value]
    return value


def small(value: object, chars: int, max_bytes: int | None = None) -> object:
    """Return a JSON value, or, where it is large, its size and the names in it.

    A large one is never walked through: a page of them would hold the event loop for seconds.
    """
    if not isinstance(value, Mapping | list):
        return shown(value, chars)
    size = len(JSON.encode(value))
    if size <= (max_bytes or max(LEAST_BYTES, BYTES_A_CHAR * chars)):
        return shown(value, chars)
    names = {"keys": keys(value, chars)} if isinstance(value, Mapping) else {}
    return {"cut": f"{size} bytes", **names}


def quoted(name: str) -> str:
    """Return a name out of the log as a hint may hold it: one JSON string, all of it visible."""
    return JSON.encode(cut(name, NAME_CHARS)).decode()


def keys(data: Mapping[str, object], chars: int) -> str:
    """Return the names of what data holds, as one word each, in about so many characters."""
    most, each = max(chars, KEY_CHARS), min(KEY_CHARS, chars)
    if len(data) <= KEYS_SHOWN:  # as nearly always, nothing is cut
        words = " ".join(data)
        if len(words) <= most and _plain(words) and max(map(len, data), default=0) <= each:
            return words
    names: list[str] = []
    for key in data:
        name = cut(key, each)
        if len(names) == KEYS_SHOWN or len(" ".join((*names, name))) > most:
            return " ".join((*names, "…"))
        names.append(name)
    return " ".join(names)
