"""Times and durations as people type and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from godot.cli._filters import with_zone

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
MOST_S = 100 * 365 * 86_400.0  # more is no number that a server or a timer takes
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)"
_WHOLE = r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+"


class Span(click.ParamType[int]):
    """`500ms`, `5m`, `1h30m`, `2d`; a bare number counts seconds. The value is in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = f"{value}s" if re.fullmatch(r"\d+(?:\.\d+)?", str(value)) else str(value)
        seconds = sum(float(n) * SECONDS[unit] for n, unit in re.findall(_PART, text))
        if not re.fullmatch(_WHOLE, text) or seconds > MOST_S:
            self.fail(f"{value!r} is not a duration: write 30s, 5m, 1h30m or 2d", param, ctx)
        return round(seconds * 1000)


class Rate(click.ParamType[float]):
    """`500/s`, `30/m` or `500`: entries a second."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|m|h))?", str(value))
        rate = float(found[1]) / SECONDS[found[2] or "s"] if found else 0.0
        if rate <= 0:
            self.fail(f"{value!r} is not a rate: write 500/s or 30/m", param, ctx)
        return rate


def moment(name: str, text: str) -> datetime:
    """Return the moment that an option means: local time unless it names a zone."""
    from dewey_logs import parse_time

    return parse_time(name, with_zone(text) or "", datetime.now(UTC))


def offset(at: datetime) -> str:
    """Return how far a zone is from UTC, as +01:00."""
    zone = f"{at:%z}"
    return f"{zone[:3]}:{zone[3:5]}"
