"""JSON lines and logfmt: which of the keys in use are the record's own parts; the rest is `data`.

Key names are those of the loggers people have: structlog, pino, bunyan, logrus, zap, slog, Serilog,
ECS, Docker's json-file, journald, and our own output. A part that cannot be used (a time that is
no time) stays in `data`: nothing is dropped.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

import msgspec

from godot.ingest import levels, times
from godot.ingest.line import Line

MESSAGE = ("message", "msg", "event", "MESSAGE", "@m", "@mt", "log", "text", "body")
LEVEL = (
    *("level", "severity", "lvl", "levelname", "log.level", "loglevel", "severity_text", "@l"),
    "PRIORITY",
)
TIME = (
    *("created_at", "time", "ts", "timestamp", "@timestamp", "@t", "datetime", "asctime", "date"),
    "__REALTIME_TIMESTAMP",
)
COMPONENT = (
    *("component", "service", "service.name", "logger", "logger_name", "name", "app"),
    *("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT"),
)
TRACE = ("trace_id", "traceId", "traceID", "trace.id", "trace", "dd.trace_id", "@tr")


def parse_json(text: str) -> Line | None:
    """Read a line that is one JSON object; None when it is anything else."""
    if not text.startswith("{"):
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        try:  # NaN, lone surrogates and the like, which Python's own writer makes
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return _line(found, text) if isinstance(found, dict) else None


# key, then optionally = and a value: quoted with backslash escapes, or up to the next blank
_PAIR = re.compile(r'\s*([^\s="\\{}\[\](),;:<>]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)')
_LOOKS_LIKE = re.compile(r'^\s*[A-Za-z_@][\w.@/-]*=("|\S|\s|$)')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_logfmt(text: str, *, strict: bool = True) -> Line | None:
    """Read `key=value` pairs; None when the line is something else.

    `strict` is for guessing: it wants a line of pairs alone, two at least or one with a key that
    loggers use, and no bare words. Otherwise a bare word is a key that is true.
    """
    if strict and not _LOOKS_LIKE.match(text):
        return None
    found: dict[str, object] = {}
    end = len(text.rstrip())
    position = 0
    while position < end:
        pair = _PAIR.match(text, position)
        if pair is None:
            return None
        key, quoted, bare = pair.groups()
        if quoted is None and bare is None:
            if strict:
                return None
            found[key] = True
        else:
            found[key] = _unescaped(quoted) if quoted is not None else bare
        position = pair.end()
    known = any(key in found for key in (*MESSAGE, *LEVEL, *TIME))
    if not found or (strict and len(found) < 2 and not known):
        return None
    return _line(found, text)


def _unescaped(text: str) -> str:
    def one(matched: re.Match[str]) -> str:
        code = matched[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text) if "\\" in text else text


def _line(found: dict[str, object], text: str) -> Line:
    """Divide an object into the record's parts; the line itself is the message where none is."""
    rest = {str(key): value for key, value in found.items()}
    message = _message(rest)
    level = _level(rest)
    line = Line(
        message=text if message is None else message,
        level=level,
        created_at=_time(rest),
        component=_component(rest),
        trace_id=_word(rest, TRACE),
        structured=True,
    )
    data = _unwrapped(rest)
    return msgspec.structs.replace(line, data=data or None)


def _message(rest: dict[str, object]) -> str | None:
    for key in MESSAGE:
        value = rest.get(key)
        if isinstance(value, str) and value.strip():
            del rest[key]
            return value[:-1] if key == "log" and value.endswith("\n") else value
        if key == "MESSAGE" and isinstance(value, list):  # journald: bytes that are no UTF-8
            try:
                text = bytes(value).decode("utf-8", "replace")
            except (TypeError, ValueError):
                continue
            del rest[key]
            return text
    return None


def _level(rest: dict[str, object]) -> str | None:
    """Take the level; what it was called stays in `data` when our name for it says less."""
    for key in LEVEL:
        value = rest.get(key)
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, str) and not value.isdecimal():
            name = levels.named(value)
            exact = name == value.strip().upper()
        elif isinstance(value, int) or (isinstance(value, str) and len(value) < 5):
            name = levels.numbered(int(value), pino="hostname" in rest)
            exact = False
        else:
            continue
        if name is not None:
            if exact:
                del rest[key]
            return name
    return None


def _time(rest: dict[str, object]) -> datetime | None:
    for key in TIME:
        at = times.parse(rest.get(key))
        if at is not None:
            del rest[key]
            return at
    return None


def _component(rest: dict[str, object]) -> str | None:
    service = rest.get("service")
    if isinstance(service, dict) and isinstance(service.get("name"), str):
        name = service["name"].strip()
        if name:
            return str(name)  # the object stays in data: it says more than the name
    return _word(rest, COMPONENT)


def _word(rest: dict[str, object], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = rest.get(key)
        if isinstance(value, str) and value.strip():
            del rest[key]
            return value.strip()
    return None


def _unwrapped(rest: dict[str, object]) -> dict[str, object]:
    """Return `data`'s content when the line has our own shape, so that it is not nested again."""
    said = {key: value for key, value in rest.items() if key != "trace_id" or value is not None}
    if "data" not in said or not said.keys() <= {"id", "data"}:
        return rest
    inner = {} if said["data"] is None else said["data"]
    if not isinstance(inner, dict) or "id" in inner:
        return rest
    own = {"id": said["id"]} if "id" in said else {}
    return {**own, **{str(key): value for key, value in inner.items()}}
