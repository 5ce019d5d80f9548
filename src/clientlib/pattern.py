"""How text is searched: for a few bytes, and by regular expressions.

These are compiled when they are first used: together those of this package take longer to compile
than everything else takes to be imported, and most programs never log what they are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "sub")


class Pattern:
    """Stands for the compiled expression, by those of its methods that are used here."""

    __slots__ = ("_flags", "_text", *_METHODS)
    sub: Callable[..., str]

    def __init__(self, text: str | bytes, flags: int = 0) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # asked only as long as nothing is compiled
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(self._text, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def holds(text: bytes, part: bytes) -> bool:
    """Say whether `part` is in `text`: what `part in text` says, in a half to a fifth of the time.

    CPython's `in` first takes the bytes for a number, and raises and drops an exception over that
    (0.1 µs in Python 3.11, 0.3 in 3.12 and 3.13); and it searches from behind twice as fast.
    """
    return text.rfind(part) >= 0
