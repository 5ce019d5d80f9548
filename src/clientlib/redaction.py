"""What never leaves the process: values of secret-sounding keys, and secrets recognised by shape.

A key is judged by its words, at any depth, in any case, with any of `_ - . space` or camelCase:

- `password`, `API-Key`, `userPassword`, `x_auth_token`: the name is the key or ends it. Masked,
  whatever the value is.
- `token_count`, `passwordHash`, `tokens`: the name stands elsewhere in it. Text and containers are
  masked, numbers and booleans stay, so that `max_tokens: 4096` remains readable.

Values are judged by shape: bearer and basic credentials, JWTs, AWS and GitHub keys, private key
blocks, passwords inside URLs, and `password=…` inside any text.

Looking at every key and string with Python costs 2–20 µs per record. So a batch is first searched
as bytes: one `translate` folds case and drops separators, then C substring searches look for the
names. Only records with a hit go through the exact rules. The first pass may be wrong in one
direction only: a hit that is none costs time, nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from clientlib.pattern import Pattern

MASK = "[REDACTED]"
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
MAX_KEYS_REMEMBERED = 4_096
_SHARED = 5  # bytes of a common beginning that are looked for instead: passw(ord), passw(d)
_LONG_NAME = 8  # a name this long is recognised inside a longer word: passwordhash

_KEEP, _MASK_TEXT, _MASK_ALL = 0, 1, 2
_SEPARATORS = "-_. "
_WORDS = Pattern(r"[^\W\d_]+")
_CAMEL = Pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DROP_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_BLANK_SEPARATORS = str.maketrans(dict.fromkeys(_SEPARATORS, " "))

# Folds ASCII upper case to lower and every digit to 0: nineteen zeros are a number that may not
# fit 64 bits, which the sender looks for in the same pass.
_FOLD = bytes(
    ord("0") if 48 <= code <= 57 else code + 32 if 65 <= code <= 90 else code for code in range(256)
)
_DROPPED = _SEPARATORS.encode()
BIG_NUMBER = b"0" * 19

# Shapes are looked for as they are spelled; only `bearer` comes in any case, and private keys are
# found by the name of a standard field. A letter is found ten times as fast as a word that has it.
_SHAPE_NEEDLES = (
    (b"A", (b"AKIA", b"ASIA")),
    (b"J", (b"eyJ",)),
    (b"gh", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")),
    (b"_", (b"github_pat_",)),
    (b"@", (b"://",)),
)
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
# The value of a pair, and the scheme that is kept before it; up to the end when no quote closes it.
_VALUE = Pattern(
    r"\s{0,8}(?:(?:bearer|basic)\s+)?"
    r"(?:(?P<quote>\\?[\"'])(?P<quoted>.*?)(?:(?P=quote)|\Z)"
    r"|(?P<bare>\[REDACTED\]|[^\s\"'\\,;&}\])]+))",
    re.IGNORECASE | re.DOTALL,
)
# A cookie header is several pairs, and each of them is the cookie.
_COOKIES = Pattern(
    r"(?i:(cookie\\?[\"']?\s{0,8}[:=]\s{0,8}\\?[\"']?))[^\s\"'\\;]+(?:;\s*[^\s\"'\\;]+)*"
)


def fold(text: bytes) -> bytes:
    """Return text with case, separators and digits folded, ready to be searched."""
    return text.translate(_FOLD, _DROPPED)


class Redactor:
    """The rules of one logger: the standard fields and its own, and whether shapes count.

    Immutable after construction and safe from any thread: the memory of judged keys only grows by
    entries that every thread would judge alike.
    """

    def __init__(self, fields: Iterable[str] = (), values: bool = True) -> None:
        names = {_flat(name): name for name in reversed((*DEFAULT_FIELDS, *fields)) if _flat(name)}
        self.fields = tuple(reversed(names.values()))
        self.values = values
        self._names = names
        self._judged: dict[str, int] = {}
        self._needles = (*_needles(self.fields), *((b"bearer",) if values else ()))
        # `password=…`, `"token": "…"`, `?api_key=…`: the name, up to where its value begins.
        loose = "|".join(_loose(name) for name in sorted(self.fields, key=len, reverse=True))
        self._pairs = Pattern(
            rf"(?P<name>(?:{loose})[\w.-]{{0,40}})\\?[\"']?\s{{0,8}}(?:=>|[:=])",
            re.IGNORECASE,
        )

    def suspects(self, text: bytes, folded: bytes) -> bool:
        """Say whether encoded bytes (and the same folded) may hold a secret: the cheap pass."""
        for needle in self._needles:
            if needle in folded:
                return True
        if not self.values:
            return False
        for letter, needles in _SHAPE_NEEDLES:
            if letter in text and any(needle in text for needle in needles):
                return True
        return False

    def data(self, value: object) -> object:
        """Return a copy of plain data (dicts, lists, text, numbers) without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value

    def mapping(self, value: Mapping[str, object]) -> dict[str, object]:
        """Return a copy of an object without its secrets."""
        return {key: self._judge(key, item) for key, item in value.items()}

    def text(self, text: str) -> str:
        """Return a message or other text without its secrets."""
        if not self.values:
            return text
        raw = text.encode("utf-8", "replace")
        if not self.suspects(raw, fold(raw)):
            return text
        text = self._without_pairs(text)
        if "ookie" in text or "OOKIE" in text:
            text = _COOKIES.sub(rf"\1{MASK}", text)
        if "@" in text and "://" in text:
            text = _URL.sub(_masked_url, text)
        text = _BEARER.sub(rf"\1{MASK}", text)
        if (
            "eyJ" in text
        ):  # after `bearer`, whose tokens may go on behind it; before what it may hold
            text = _JWT.sub(_masked_jwt, text)
        return _SHAPES.sub(MASK, text)

    def _judge(self, key: object, item: object) -> object:
        verdict = self._verdict(key) if isinstance(key, str) else _KEEP
        if verdict == _KEEP:
            return self.data(item)
        if verdict == _MASK_TEXT and not isinstance(item, str | Mapping | list | tuple):
            return item
        return MASK

    def _verdict(self, key: str) -> int:
        found = self._judged.get(key)
        if found is None:
            found = self._verdict_anew(key)
            if len(self._judged) < MAX_KEYS_REMEMBERED:
                self._judged[key] = found
        return found

    def _verdict_anew(self, key: str) -> int:
        flat, words = _flat(key), _words(key)
        # what other characters part, such as `api:key`, the search over bytes does not see
        names = [(name, _words(given)) for name, given in self._names.items() if name in flat]
        for name, sequence in names:
            if flat == name or _ends(words, sequence) or (len(name) > 4 and flat.endswith(name)):
                return _MASK_ALL
        for name, sequence in names:
            if _contains(words, sequence) or len(name) >= _LONG_NAME:
                return _MASK_TEXT
        return _KEEP

    def _without_pairs(self, text: str) -> str:
        """Mask the values of pairs; a value is read only once its name says that it counts.

        A value that stays may hold pairs itself, so the search goes on right after the name.
        """
        kept: list[str] = []
        done = searched = 0
        while match := self._pairs.search(text, searched):
            searched = match.end("name")
            verdict = self._verdict(_whole_key(text, match))
            if verdict == _KEEP or (value := _VALUE.match(text, match.end())) is None:
                continue
            group = "quoted" if value["bare"] is None else "bare"
            if verdict == _MASK_TEXT and _is_number(value[group]):
                continue
            kept += [text[done : value.start(group)], MASK]
            done = searched = value.end(group)
        return "".join(kept) + text[done:]


def _whole_key(text: str, match: re.Match[str]) -> str:
    """Return the key that the name is the end of: `access_` belongs to `token`."""
    start = match.start("name")
    first = max(0, start - 64)
    while start > first and (text[start - 1].isalnum() or text[start - 1] in "_-."):
        start -= 1
    return text[start : match.end("name")]


def _masked_url(match: re.Match[str]) -> str:
    """Mask up to the last @: a password may hold one that nobody escaped."""
    password, _, rest = match["run"].rpartition("@")
    return f"{match['url']}{MASK}@{rest}" if password else match[0]


def _masked_jwt(match: re.Match[str]) -> str:
    return match[0] if match["dots"] is None else MASK


def _is_number(text: str) -> bool:
    return text.lower() in ("true", "false", "null", "none") or text.replace(".", "", 1).isdigit()


def _flat(name: str) -> str:
    return name.lower().translate(_DROP_SEPARATORS)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(_CAMEL.sub(" ", name)))


def _ends(words: tuple[str, ...], sequence: tuple[str, ...]) -> bool:
    return bool(sequence) and words[-len(sequence) :] == sequence


def _contains(words: tuple[str, ...], sequence: tuple[str, ...]) -> bool:
    """Find the words in a row; a plural counts (`tokens`, `api_keys`)."""
    n = len(sequence)
    if not n:
        return False
    singular = tuple(word.removesuffix("s") for word in words)
    return any(
        words[i : i + n] == sequence
        or (*words[i : i + n - 1], *singular[i + n - 1 : i + n]) == sequence
        for i in range(len(words) - n + 1)
    )


def _needles(fields: Iterable[str]) -> list[bytes]:
    """Return what to look for: each takes 50 ns a record, so names that begin alike share one.

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


def _loose(name: str) -> str:
    """Return a pattern for the name with any separators between its words."""
    words = name.translate(_BLANK_SEPARATORS).split(" ")
    return r"[-_. ]?".join(re.escape(word) for word in words if word) or r"(?!)"


STANDARD = Redactor()
