"""Plain text: the time, the level and the program, where a line shows them in a known way.

A time stamp at the start of a line is taken off, since `created_at` says the same; one further in
stays where it is. Everything else of the line is kept as written: a guess may be wrong.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from godot.ingest import levels, times
from godot.ingest.line import Line

LOOKED_AT_CHARS = 96

_PRIORITY = re.compile(r"<(\d{1,3})>")
_RFC5424 = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[[^\]]*\])+) ?")
_SYSLOG_HEAD = re.compile(r" (\S+) ([\w./@() -]{1,64}?)(?:\[(\d{1,10})\])?: ")
# after an ISO time, so the pid is required
_TRADITIONAL = re.compile(r" (\S+) ([\w./@-]{1,64})\[(\d{1,10})\]: ")
_AFTER_TIME = re.compile(r"[\])]?(?:\s*[|,:-](?=\s))?\s*")
_GLOG = re.compile(r"[IWEF](?=\d{4} \d\d:)")
_REDIS = re.compile(r"\d{1,10}:[XCSM] (?=\d{1,2} \w{3} \d{4} )")
_REDIS_MARK = re.compile(r"\s+([.*#-])\s+")
REDIS_LEVELS = {".": "DEBUG", "-": "DEBUG", "*": "INFO", "#": "WARN"}


class _Head(NamedTuple):
    """What the start of a line said: where it ends, and the parts it carried."""

    end: int
    at: datetime | None
    level: str | None = None
    data: dict[str, object] | None = None


class TextParser:
    """Reads the lines of one file in order.

    Lines that belong to the one before have its time: a stack trace is indented, apt's history
    gives a start date and then speaks of the same run until a blank line.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._in_stanza = False

    def blank(self) -> None:
        """Note an empty line: it ends a stanza."""
        self._in_stanza = False

    def parse(self, text: str) -> Line:
        """Understand a line as far as possible; never fails."""
        head = _head(text)
        at, message, level = None, text, None
        data = None
        if head is not None:
            message = text[head.end :] or text
            at, level, data = head.at, head.level, head.data
        else:
            found = _date_further_in(text)
            at = found.at if found else None
        if at is not None:
            self._last = at
            self._in_stanza = text.startswith("Start-Date:")
        elif text[:1] in " \t" or self._in_stanza:
            at = self._last
        return Line(
            message=message, level=level or levels.in_text(message), created_at=at, data=data
        )


def _head(text: str) -> _Head | None:
    """Read what stands before the message, by the first form that fits."""
    priority = _PRIORITY.match(text)
    start, level = 0, None
    if priority and int(priority[1]) < 192:
        start, level = priority.end(), levels.of_priority(int(priority[1]))
        modern = _RFC5424.match(text, start)
        if modern:
            return _rfc5424(modern, level)
    head = _iso(text, start) or _syslog(text, start) or _glog(text) or _redis(text)
    if head is None:
        return _Head(start, None, level) if level else None
    return head._replace(level=level or head.level)


def _rfc5424(found: re.Match[str], level: str) -> _Head:
    stamp, host, program, pid, message_id, structured = found.groups()
    parts = {"host": host, "program": program, "pid": pid, "msgid": message_id, "sd": structured}
    data: dict[str, object] = {name: text for name, text in parts.items() if text != "-"}
    return _Head(found.end(), times.parse(stamp), level, data or None)


def _iso(text: str, start: int) -> _Head | None:
    bracket = 1 if text[start : start + 1] in ("[", "(") else 0
    found = times.match(times.ISO, text, start + bracket)
    if found is None:
        return None
    traditional = None if bracket else _TRADITIONAL.match(text, found.end)
    if traditional:
        return _Head(traditional.end(), found.at, None, _origin(traditional))
    after = _AFTER_TIME.match(text, found.end)
    assert after is not None  # matches the empty text too
    return _Head(after.end(), found.at)


def _syslog(text: str, start: int) -> _Head | None:
    found = times.match(times.SYSLOG, text, start)
    head = _SYSLOG_HEAD.match(text, found.end) if found else None
    if found is None:
        return None
    if head is None:
        return _Head(found.end + (text[found.end : found.end + 1] == " "), found.at)
    return _Head(head.end(), found.at, None, _origin(head))


def _origin(head: re.Match[str]) -> dict[str, object]:
    host, program, pid = head.groups()
    origin: dict[str, object] = {"host": host, "program": program}
    if pid:
        origin["pid"] = int(pid)
    return origin


def _glog(text: str) -> _Head | None:
    letter = _GLOG.match(text)
    found = times.match(times.GLOG, text, 1) if letter else None
    return _Head(found.end + 1, found.at, levels.named(text[0])) if found else None


def _redis(text: str) -> _Head | None:
    process = _REDIS.match(text)
    found = times.match(times.DAY_FIRST, text, process.end()) if process else None
    if process is None or found is None:
        return None
    mark = _REDIS_MARK.match(text, found.end)
    end = mark.end() if mark else found.end
    return _Head(
        end,
        found.at,
        REDIS_LEVELS[mark[1]] if mark else None,
        {"pid": int(text[: text.index(":")])},
    )


def _date_further_in(text: str) -> times.Found | None:
    for pattern in (times.ISO, times.COMMON_LOG, times.ASCTIME):
        found = times.search(pattern, text, LOOKED_AT_CHARS)
        if found:
            return found
    return None
