"""What never leaves the process: values of secret-sounding keys, and secrets recognised by shape.

Keys are judged by their words (keyrules.py), at any depth, and so is the first of two in a list of
pairs, as headers often come.

Text, which keys are as well, is judged by shape: bearer credentials, JWTs, AWS and GitHub keys,
private key blocks, passwords inside URLs, and `password=…` in all its forms (pairs.py).

Looking at every key and string with Python costs 2–20 µs per record. So a batch is first searched
as bytes: one `translate` folds case and drops what is in no name, then C substring searches look
for the names. Only records with a hit go through the exact rules. The first pass may be wrong in
one direction only: a hit that is none costs time, nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from clientlib.keyrules import (
    KEEP,
    MASK,
    MASK_TEXT,
    MAX_KEY_CHARS_REMEMBERED,
    MAX_KEYS_REMEMBERED,
    SEPARATORS,
    KeyRules,
    flat,
)
from clientlib.pairs import pattern_of, without_values
from clientlib.pattern import Pattern, holds

DEFAULT_FIELDS = (
    "password",
    "passwd",
    "passphrase",
    "token",
    "api_key",
    "authorization",
    "secret",
    "cookie",
    "private_key",
)
SHORTEST_KEY = 12  # that is searched for a secret inside it
_SHARED = 5  # bytes of a common beginning that are looked for instead: passw(ord), passw(d)

# Folds ASCII upper case to lower and every digit to 0: nineteen zeros are a number that may not
# fit 64 bits, which the sender looks for in the same pass.
_FOLD = bytes(
    ord("0") if 48 <= code <= 57 else code + 32 if 65 <= code <= 90 else code for code in range(256)
)
_DROPPED = SEPARATORS.encode()
_BIG_NUMBER = b"0" * 19
_BETWEEN = b","  # two numbers in a list

# Shapes are looked for as they are spelled; only `bearer` comes in any case, and private keys are
# found by the name of a standard field. A letter is found thirty times as fast as a word.
_GITHUB = Pattern(rb"g(?:h[pousr]_|ithub_pat_)")
_BEARER = Pattern(r"(\b(?i:bearer)\s+)[A-Za-z0-9._~+/=-]{8,}")
_SHAPES = Pattern(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
# Both take a whole run of their characters and decide afterwards: what the run as a whole lacks (a
# dot, an @) no part of it has, and searching it again from each part is quadratic.
_JWT = Pattern(r"\beyJ[A-Za-z0-9_-]{8,}+(?P<dots>(?:\.[A-Za-z0-9_-]*){1,2})?")
_URL = Pattern(
    r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/:@\"'<>]*+:)"
    r"(?!\d++(?:[/?#]|\Z))(?P<run>[^\s\"'<>]++)"
)
# A cookie header is several pairs, and each of them is the cookie.
_COOKIES = Pattern(
    r"(?i:(cookie\\{0,16}[\"']?\s{0,8}[:=]\s{0,8}\\{0,16}[\"']?))[^\s\"'\\;]+(?:;\s*[^\s\"'\\;]+)*"
)


class Redactor:
    """The rules of one logger: the standard fields and its own, and whether shapes count.

    Immutable after construction and safe from any thread: the memory of judged keys only grows by
    entries that every thread would judge alike.
    """

    def __init__(self, fields: Iterable[str] = (), values: bool = True) -> None:
        names = {flat(name): name for name in reversed((*DEFAULT_FIELDS, *fields)) if flat(name)}
        self.fields = tuple(reversed(names.values()))
        self.values = values
        self._keys = KeyRules(self.fields)
        self._known: dict[str, str] = {}  # keys that were searched
        self._pairs = pattern_of(self.fields)
        self._needles = (*_needles(self.fields), *((b"bearer",) if values else ()), _BIG_NUMBER)
        letters = {*b"".join(self._needles), *_BETWEEN}
        self._unasked = bytes(code for code in range(256) if _FOLD[code] not in letters)

    def suspects(self, text: bytes) -> bool:
        """Say whether encoded bytes may hold a secret, or a number beyond 64 bits: the cheap pass.

        Names are looked for in what is left without the bytes that are in none of them, which is
        half of usual JSON; what is found there may have come together by that, and is looked for
        again.
        """
        squeezed = text.translate(_FOLD, self._unasked)
        if any(holds(squeezed, needle) for needle in self._needles):
            folded = text.translate(_FOLD, _DROPPED)
            if any(holds(folded, needle) for needle in self._needles):
                return True
        return self.values and _has_a_shape(text)

    def data(self, value: object) -> object:
        """Return a copy of plain data (dicts, lists, text, numbers) without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, list | tuple):
            return [self._item(item) for item in value]
        return value

    def mapping(self, value: Mapping[Any, object]) -> dict[str, object]:
        """Return a copy of an object without its secrets."""
        found: dict[str, object] = {}
        again = 1
        for key, item in value.items():
            shown = name = self._shown(key) if isinstance(key, str) else key
            while name in found:
                again += 1
                name = f"{shown}_{again}"
            found[name] = self._judge(key, item)
        return found

    def text(self, text: str) -> str:
        """Return a message or other text without its secrets."""
        if not self.values:
            return text
        if not self.suspects(text.encode("utf-8", "replace")):
            return text
        text = without_values(text, self._pairs, self._keys.verdict)
        if "ookie" in text or "OOKIE" in text:
            text = _COOKIES.sub(rf"\1{MASK}", text)
        if "@" in text and "://" in text:
            text = _URL.sub(_masked_url, text)
        text = _BEARER.sub(rf"\1{MASK}", text)
        # after `bearer`, whose tokens may go on behind it; before what it may hold
        if "eyJ" in text:
            text = _JWT.sub(_masked_jwt, text)
        return _SHAPES.sub(MASK, text)

    def _item(self, item: object) -> object:
        if isinstance(item, list | tuple) and len(item) == 2:
            first, second = item
            if isinstance(first, str) and isinstance(second, str):
                return [self.text(first), self._judge(first, second)]
        return self.data(item)

    def _shown(self, key: str) -> str:
        if len(key) < SHORTEST_KEY:
            return key
        found = self._known.get(key)
        if found is None:
            found = self.text(key)
            if len(self._known) < MAX_KEYS_REMEMBERED and len(key) <= MAX_KEY_CHARS_REMEMBERED:
                self._known[key] = found
        return found

    def _judge(self, key: object, item: object) -> object:
        verdict = self._keys.verdict(key) if isinstance(key, str) else KEEP
        if verdict == KEEP:
            return self.data(item)
        if verdict == MASK_TEXT and not isinstance(item, str | Mapping | list | tuple):
            return item
        return MASK


def _has_a_shape(text: bytes) -> bool:
    return (
        (holds(text, b"A") and (holds(text, b"AKIA") or holds(text, b"ASIA")))
        or (holds(text, b"J") and holds(text, b"eyJ"))
        or (holds(text, b"@") and holds(text, b"://"))
        or _GITHUB.search(text) is not None
    )


def _masked_url(match: re.Match[str]) -> str:
    """Mask up to the last @: a password may hold one that nobody escaped."""
    password, _, rest = match["run"].rpartition("@")
    return f"{match['url']}{MASK}@{rest}" if password else match[0]


def _masked_jwt(match: re.Match[str]) -> str:
    return match[0] if match["dots"] is None else MASK


def _needles(fields: Iterable[str]) -> list[bytes]:
    """Return what to look for: each takes 20 ns a record, so names that begin alike share one.

    Names in other alphabets are looked for in their usual spellings.
    """
    found: list[bytes] = []
    for name in fields:
        spellings = [name] if name.isascii() else [name, name.lower(), name.upper(), name.title()]
        found += [text.encode("utf-8", "replace").translate(_FOLD, _DROPPED) for text in spellings]
    beginnings = Counter(needle[:_SHARED] for needle in set(found))
    return list(
        dict.fromkeys(
            needle[:_SHARED] if beginnings[needle[:_SHARED]] > 1 else needle
            for needle in found
            if needle
        )
    )


STANDARD = Redactor()
