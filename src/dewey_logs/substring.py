"""A part of a message in any case, at a third of what ILIKE costs.

ILIKE folds whole messages through the locale, character by character: a microsecond and a half for
each record, where a day without indexes has more than a million. Folding ASCII alone, and comparing
bytes, is quick, and finds the same wherever no other character folds to what is looked for. Only k
and i have such others (the Kelvin sign, the dotted İ; and a Turkish locale folds I to ı), so it is
done for the longest piece without them. Where that is no piece to speak of, as in `disk`, it is
done for the longest piece of ASCII, and messages with any other character are looked at all the
same. ILIKE decides about the few records that are left. An index of trigrams (pg_trgm) answers
nothing but ILIKE.
"""

from __future__ import annotations

import re
from typing import LiteralString

from dewey_logs.comparisons import like

MIN_CERTAIN_CHARS = 3  # fewer are in too many messages
MIN_ASCII_CHARS = 2

_CERTAIN = re.compile(r"[^\x80-\U0010ffffiIkK]+")
_ASCII = re.compile(r"[^\x80-\U0010ffff]+")
_TRIGRAM = re.compile(r"[A-Za-z0-9]{3}")
_PIECE: LiteralString = 'strpos(lower(message COLLATE "C"), %({0}_piece)s) > 0'
_OTHERS: LiteralString = "octet_length(message) > length(message)"
_WHOLE: LiteralString = "message ILIKE %({0})s"
# CASE, because of two conditions joined by AND PostgreSQL looks at ILIKE first
_BOTH: LiteralString = f"CASE WHEN {_PIECE} THEN {_WHOLE} ELSE false END"
_EITHER: LiteralString = f"CASE WHEN {_PIECE} OR {_OTHERS} THEN {_WHOLE} ELSE false END"


def substring_sql(text: str, name: LiteralString) -> tuple[LiteralString, dict[str, object]]:
    """Return the condition that a message contains a text, and what it binds under that name."""
    values: dict[str, object] = {name: f"%{like(text)}%"}
    piece, clause = _longest(_CERTAIN, text), _BOTH
    if len(piece) == len(text):
        clause = _PIECE
    elif len(piece) < MIN_CERTAIN_CHARS:
        piece, clause = _longest(_ASCII, text), _EITHER
        if len(piece) < MIN_ASCII_CHARS:
            return _WHOLE.format(name), values
    return clause.format(name), {**values, f"{name}_piece": piece}


def trigrams_sql(text: str, name: LiteralString) -> LiteralString | None:
    """Return the same condition for an index of trigrams, None where the text has none.

    It binds what `substring_sql` does.
    """
    return _WHOLE.format(name) if _TRIGRAM.search(text) else None


def _longest(pieces: re.Pattern[str], text: str) -> str:
    return max(pieces.findall(text), key=len, default="").lower()
