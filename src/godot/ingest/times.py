"""Times as logs write them. A time without a zone is this machine's local time.

One table of patterns, tried in order: what stands at the start of a line is its time stamp and may
be taken off; what stands further in only dates the line.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
EPOCH_RANGES = (  # the first that fits a number: seconds until the year 5138, then finer units
    (1e11, 1.0),
    (1e14, 1e3),
    (1e17, 1e6),
    (1e20, 1e9),
)
EARLIEST_EPOCH_S = 1e8  # 1973: smaller numbers are counters, not times

_MONTH = r"(?P<mon>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,](?P<frac>\d{1,9}))?"
_ZONE = r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
_DATE = r"(?P<y>\d{4})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)"

ISO = re.compile(rf"{_DATE}(?:T|t|[ ]{{1,2}}){_CLOCK}{_ZONE}")
SYSLOG = re.compile(rf"{_MONTH}[ ]{{1,2}}(?P<d>\d{{1,2}}) {_CLOCK}")
COMMON_LOG = re.compile(
    rf"\[(?P<d>\d\d)/{_MONTH}/(?P<y>\d{{4}}):(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)"
    r"(?P<frac>)? (?P<zone>[+-]\d{4})\]"
)
DAY_FIRST = re.compile(rf"(?P<d>\d{{1,2}}) {_MONTH} (?P<y>\d{{4}}) {_CLOCK}")
ASCTIME = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} [ ]?(?P<d>\d{{1,2}}) {_CLOCK} (?P<y>\d{{4}})"
)
GLOG = re.compile(rf"(?P<mo>\d\d)(?P<d>\d\d) {_CLOCK}")


class Found(NamedTuple):
    """A time stamp and where its text ends."""

    at: datetime
    end: int


def match(pattern: re.Pattern[str], text: str, start: int = 0) -> Found | None:
    """Read a time that begins exactly at `start`."""
    return _found(pattern.match(text, start))


def search(pattern: re.Pattern[str], text: str, within: int) -> Found | None:
    """Find a time in the first `within` characters."""
    return _found(pattern.search(text, 0, within))


def _found(matched: re.Match[str] | None) -> Found | None:
    if matched is None:
        return None
    at = _datetime(matched.groupdict())
    return None if at is None else Found(at, matched.end())


def parse(value: object) -> datetime | None:
    """Read a time given as a value of its own: ISO text, or a number of seconds or finer units."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and len(value) <= 64:
        text = value.strip()
        for pattern in (ISO, ASCTIME, SYSLOG, DAY_FIRST):
            found = match(pattern, text)
            if found and found.end == len(text):
                return found.at
        value = text
    elif not isinstance(value, int | float):
        return None
    try:
        return _epoch(float(value))
    except (ValueError, OverflowError):
        return None


def _epoch(number: float) -> datetime | None:
    for limit, per_second in EPOCH_RANGES:
        if number < limit:
            seconds = number / per_second
            return datetime.fromtimestamp(seconds, UTC) if seconds >= EARLIEST_EPOCH_S else None
    return None


def _datetime(part: dict[str, str | None]) -> datetime | None:
    month = part.get("mo") or str(MONTHS[str(part["mon"]).lower()])
    micros = int((part.get("frac") or "0").ljust(6, "0")[:6])
    now = datetime.now(UTC)
    year = part.get("y")
    try:
        at = datetime(
            int(year) if year else now.year,
            int(month),
            int(str(part["d"])),
            int(str(part["h"])),
            int(str(part["mi"])),
            min(int(str(part["s"])), 59),  # a leap second
            micros,
            tzinfo=_zone(part.get("zone")),
        ).astimezone(UTC)
        if year is None and at > now + timedelta(days=1):  # no year: last December, not the next
            at = at.replace(year=at.year - 1)
    except (ValueError, OverflowError):
        return None
    return at


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None  # local: astimezone() reads a naive time so
    if text in ("Z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
