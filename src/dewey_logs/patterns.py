"""What kind of message a record is: its text with everything that varies taken out.

`request 8812 from 10.0.3.7 took 4.1 ms` and ten million others like it are one pattern, `request
<*> from <*> took <*> ms`. Masking happens at ingest, so it has to cost next to nothing: a message
that differs from an earlier one in its digits alone is looked up (half a microsecond); another is
looked at word by word, words of letters alone are left as they are, and what was decided about a
word is remembered (3 µs).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

MASK = "<*>"
MAX_CHARS = 512  # of the first line; a traceback's kind stands in its first line too
MEMO_SIZE = 20_000  # words, and templates; forgotten all at once when there are more

_QUOTED = re.compile(r"""(?<!\w)(["'`])(?:(?!\1).)*\1""")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_KEY = re.compile(r"[\w.-]+")
_BEFORE, _AFTER = "([{<,;:\"'`*", ")]}>,;:.!?\"'`*"


class Patterns:
    """Turns messages into patterns; one for each process.

    Two threads at most do the same work twice: each touch of what is remembered is a single step.
    """

    def __init__(self) -> None:
        self._lines: dict[bytes, int] = {}
        self._words: dict[str, str] = {}

    def number(self, message: str) -> int:
        """Return the 64-bit number of a message's template: the same in every process, for ever."""
        line = _shape(message)
        found = self._lines.get(line)
        if found is None:
            if len(self._lines) >= MEMO_SIZE:
                self._lines.clear()
            template = self._masked(line.decode("utf-8"))
            digest = blake2b(template.encode("utf-8"), digest_size=8).digest()
            found = self._lines[line] = int.from_bytes(digest, "big", signed=True)
        return found

    def numbers(self, messages: Sequence[str]) -> list[int]:
        """Return the number of each message; of many it costs a third of asking for each."""
        if messages and max(map(len, messages)) <= MAX_CHARS:
            lines = _shape_of("\n".join(messages)).split(b"\n")
            if len(lines) == len(messages):
                found = list(map(self._lines.get, lines))
                if None not in found:
                    return cast("list[int]", found)
        return list(map(self.number, messages))

    def template(self, message: str) -> str:
        """Return the message with numbers, ids, paths, addresses and quoted text masked."""
        return self._masked(_shape(message).decode("utf-8"))

    def _masked(self, line: str) -> str:
        if '"' in line or "'" in line or "`" in line:
            line = _QUOTED.sub(r"\1<*>\1", line)
        known = self._words
        found = []
        for word in line.split(" "):
            if word.isalpha():
                found.append(word)
                continue
            masked = known.get(word)
            if masked is None:
                if len(known) >= MEMO_SIZE:
                    known.clear()
                masked = known[word] = _masked(word)
            found.append(masked)
        return " ".join(found)


def _shape(message: str) -> bytes:
    """Return the first line, or its beginning, with all digits alike.

    So most lines were met before, whatever their numbers. Bytes, because they translate ten times
    as fast as text.
    """
    return _shape_of(message[:MAX_CHARS].partition("\n")[0])


def _shape_of(text: str) -> bytes:
    return text.encode("utf-8", "replace").translate(_DIGITS)


def _masked(word: str) -> str:
    """Return a word with its varying part masked; what stands around it and a key stay."""
    core = word.rstrip(_AFTER).lstrip(_BEFORE)
    if not core:
        return word
    before, _, after = word.partition(core)
    key, sign, value = core.partition("=")
    if sign and value and _KEY.fullmatch(key):
        return f"{before}{key}={_masked(value)}{after}"
    return f"{before}{MASK}{after}" if _varies(core) else word


def _varies(core: str) -> bool:
    if "0" in core or any(char.isdigit() for char in core):
        return True
    if "/" in core:  # a path or an address; not "and/or"
        return core[0] in "/~." or "://" in core or core.count("/") > 1
    return ("@" in core and "." in core) or ":\\" in core
