"""Quantities in words, the same ones wherever a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def age(ms: int) -> str:
    """Return a duration in the two units that matter."""
    seconds = max(0, ms) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def since(text: str) -> str:
    """Return how long ago a time was: RFC 3339, as the store writes it."""
    passed = datetime.now(UTC) - datetime.fromisoformat(text)
    return age(int(passed.total_seconds() * 1000))


def until(text: str) -> str:
    """Return how long it is until a time: RFC 3339, as the store writes it."""
    left = datetime.fromisoformat(text) - datetime.now(UTC)
    return age(int(left.total_seconds() * 1000))


def size(count: int) -> str:
    """Return bytes in binary units."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return `1 thing`, `2 things`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
