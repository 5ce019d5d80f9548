"""Times as people type them: absolute, or back from now. All of them UTC.

Only the years that a record can be of are times to ask for. Calendars end at the years 1 and 9999,
and there every step, into another zone or to a whole minute, could be one too far.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from dewey_logs.errors import BadFilter

EXAMPLES = "2026-11-22T13:00:00Z, 2026-11-22, -1h, 15m, 2d, now-15m, today or yesterday"

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_BACK = re.compile(r"(?:now)?-?((?:\d{1,9}[smhdw])+)", re.ASCII)
_PART = re.compile(r"(\d+)([smhdw])", re.ASCII)
_ABSOLUTE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d.*)?", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 1970, 2200


def parse_time(name: str, text: str, now: datetime) -> datetime:
    """Return the moment that a filter's text means; `15m` and `-15m` are both a quarter hour ago.

    A time without a zone is UTC. Raises BadFilter, which names the field and gives examples, also
    for a moment outside the years 1970 to 2200.
    """
    moment = _moment(text, now)
    if moment is None:
        raise BadFilter(f"{name}={text!r:.60} is no time: try {EXAMPLES}")
    check_year(name, moment)
    return moment


def check_year(name: str, moment: datetime) -> None:
    """Refuse a moment that no record can be of; raises BadFilter."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise BadFilter(
            f"{name}={moment.date()} is not possible: years are {FIRST_YEAR} to {LAST_YEAR}"
        )


def _moment(text: str, now: datetime) -> datetime | None:
    """Return the moment that a text means, None when it means none that there is."""
    word = text.strip()
    lower = word.lower()
    try:
        if lower == "now":
            return now
        if lower in ("today", "yesterday"):
            midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
            return midnight - timedelta(days=lower == "yesterday")
        back = None if "M" in word else _BACK.fullmatch(lower)  # who writes 1M may mean a month
        if back is not None:
            seconds = sum(int(n) * _SECONDS[unit] for n, unit in _PART.findall(back[1]))
            return now - timedelta(seconds=seconds)
        if _ABSOLUTE.fullmatch(word):
            moment = datetime.fromisoformat(word.upper())
            if moment.tzinfo is None:
                return moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None


def micros(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(us: int) -> datetime:
    """Return the moment so many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=us)


def rfc3339(moment: datetime) -> str:
    """Return a moment as Dewey shows times: UTC, with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
