"""Text that strangers wrote, made safe to print and equal to what it was where that can be had."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache


class _Escapes(dict[int, str | int]):
    """Escape sequences for `str.translate`, found out once a character."""

    def __init__(self, style: str) -> None:
        super().__init__({0x09: 0x09} if style == "text" else {})
        self.style = style

    def __missing__(self, point: int) -> str | int:
        category = unicodedata.category(chr(point))
        harmless = category not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        self[point] = found = point if harmless else self._escaped(point)
        return found

    def _escaped(self, point: int) -> str:
        if self.style == "json":
            if point < 0x10000:
                return f"\\u{point:04x}"
            high, low = divmod(point - 0x10000, 0x400)
            return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
        short = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}.get(point)
        if short:
            return short
        if point < 0x100:
            return f"\\x{point:02x}"
        return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


_TEXT, _CELL, _JSON = _Escapes("text"), _Escapes("cell"), _Escapes("json")


def sanitise(text: str) -> str:
    """Escape what could steer a terminal or forge a line: Cc but tab, Cf, Cs, Zl, Zp."""
    return text if text.isprintable() else text.translate(_TEXT)


def cell(value: object) -> str:
    """Return one value as it stands between tabs."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict | list | tuple):
        text = json_text(value)
    else:
        text = str(value)
    return text if text.isprintable() else text.translate(_CELL)


def json_text(value: object, indent: int | None = None) -> str:
    """Return JSON whose strings stay equal but carry no character that steers a terminal."""
    if indent is None:
        text = _compact(value)
        return text if text.isprintable() else text.translate(_JSON)
    import json

    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    return "\n".join(line.translate(_JSON) for line in text.split("\n"))


def _compact(value: object) -> str:
    """Return JSON in one line, by the quicker of two writers where it can."""
    try:
        return _encoder()(value).decode()
    except (OverflowError, UnicodeEncodeError, TypeError, RecursionError):
        import json  # takes integers of any size, and half of a character

        return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))


@cache
def _encoder() -> Callable[[object], bytes]:
    import msgspec  # here, because help needs none of it

    return msgspec.json.Encoder(enc_hook=str).encode


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
