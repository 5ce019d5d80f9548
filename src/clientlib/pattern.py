"""Regular expressions that are compiled when they are first used.

Together those of this package take longer to compile than everything else takes to be imported, and
most programs never log what they are for.
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
