"""The stretch of time that a question is about, when the caller says little of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from dewey_logs.filters import LogFilter, bounds
from dewey_logs.times import parse_time, rfc3339
from dewey_logs.tools.table import short_time

DEFAULT = timedelta(hours=1)


class Window(NamedTuple):
    """From `low` on, up to `high`."""

    low: datetime
    high: datetime

    def of(self, wanted: LogFilter) -> LogFilter:
        """Return a filter with this window's times."""
        return replace(wanted, since=rfc3339(self.low), until=rfc3339(self.high))

    def back(self, far: timedelta) -> Window:
        """Return the window of the same length that lies so far back."""
        return Window(self.low - far, self.high - far)

    def told(self) -> dict[str, str]:
        """Return it as an answer says it."""
        return {"since": short_time(rfc3339(self.low)), "until": short_time(rfc3339(self.high))}


def window_of(wanted: LogFilter, now: datetime | None = None) -> Window:
    """Return the time that a filter speaks of: up to now, and an hour, unless it says otherwise."""
    now = now or datetime.now(UTC)
    since, until = bounds(wanted, now)
    high = until or now
    low = since or high - DEFAULT
    bounds(replace(wanted, since=rfc3339(low), until=rfc3339(high)), now)
    return Window(low, high)


def span_of(name: str, text: str) -> timedelta:
    """Return how long a text like `24h` is; raises BadFilter."""
    now = datetime.now(UTC)
    return now - parse_time(name, text, now)
