"""Which keys hold secrets.

A key is judged by its words, at any depth, in any case, with any of `_ - . space` or camelCase:

- `password`, `API-Key`, `userPassword`, `x_auth_token`: the name is the key or ends it. Masked,
  whatever the value is.
- `token_count`, `passwordHash`, `tokens`: the name stands elsewhere in it. Text and containers are
  masked, numbers and booleans stay, so that `max_tokens: 4096` remains readable.
"""

from __future__ import annotations

from collections.abc import Iterable

from clientlib.pattern import Pattern

MASK = "[REDACTED]"
KEEP, MASK_TEXT, MASK_ALL = 0, 1, 2
SEPARATORS = "-_. "

MAX_KEYS_REMEMBERED = 4_096
MAX_KEY_CHARS_REMEMBERED = 128
_LONG_NAME = 8  # a name this long is recognised inside a longer word: passwordhash
_WORDS = Pattern(r"[^\W\d_]+")
_CAMEL = Pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DROP_SEPARATORS = str.maketrans("", "", SEPARATORS)


class KeyRules:
    """The judgement over keys by a list of names.

    Safe from any thread: its memory only grows by entries that every thread would judge alike.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {flat(name): _words(name) for name in names}
        self._judged: dict[str, int] = {}

    def verdict(self, key: str) -> int:
        """Return KEEP, MASK_TEXT or MASK_ALL."""
        found = self._judged.get(key)
        if found is None:
            found = self._judge(flat(key), _words(key))
            if len(self._judged) < MAX_KEYS_REMEMBERED and len(key) <= MAX_KEY_CHARS_REMEMBERED:
                self._judged[key] = found
        return found

    def _judge(self, key: str, words: tuple[str, ...]) -> int:
        # what other characters part, such as `api:key`, the search over bytes does not see
        names = [(name, sequence) for name, sequence in self._names.items() if name in key]
        for name, sequence in names:
            if key == name or _ends(words, sequence) or (len(name) > 4 and key.endswith(name)):
                return MASK_ALL
        for name, sequence in names:
            if _contains(words, sequence) or len(name) >= _LONG_NAME:
                return MASK_TEXT
        return KEEP


def flat(name: str) -> str:
    """Return a name without case and separators."""
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
