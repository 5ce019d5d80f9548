"""Severity as other programs write it, in the names that clientlib knows."""

from __future__ import annotations

import re

from clientlib import RecordError, parse_level

NAMES = {  # what clientlib does not know itself
    "VERBOSE": "DEBUG",
    "FINE": "DEBUG",
    "FINER": "TRACE",
    "FINEST": "TRACE",
    "LOG": "INFO",
    "NOTICE": "INFO",
    "INFORMATION": "INFO",
    "INFORMATIONAL": "INFO",
    "SUCCESS": "INFO",
    "ERR": "ERROR",
    "EROR": "ERROR",
    "SEVERE": "ERROR",
    "CRIT": "CRITICAL",
    "ALERT": "CRITICAL",
    "EMERG": "CRITICAL",
    "EMERGENCY": "CRITICAL",
    "PANIC": "FATAL",
    "T": "TRACE",
    "D": "DEBUG",
    "I": "INFO",
    "N": "INFO",
    "W": "WARN",
    "E": "ERROR",
    "F": "FATAL",
}
SYSLOG = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
PINO = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARN", 50: "ERROR", 60: "FATAL"}
PYTHON = {10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "CRITICAL"}

# In prose a level word is one only when it is written as one: in capitals, in brackets, or before
# a colon. "no error found" is not an error.
_CAPITALS = (
    r"TRACE|DEBUG|VERBOSE|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRIT|CRITICAL|ALERT|EMERG"
    r"|FATAL|PANIC|LOG"
)
_IN_CAPITALS = re.compile(rf"(?<![\w.=/-])({_CAPITALS})(?![\w=/-])")
_MARKED = re.compile(
    rf"(?i:[\[(<]\s*(?:\w+:)?({_CAPITALS})\s*[\])>]|(?:^|[\s:\]])({_CAPITALS}):(?=\s|$))"
)
_SHORT = re.compile(r"^([EWN]): ")  # apt and pip
LOOKED_AT_CHARS = 200


def named(text: str) -> str | None:
    """Return the level a word stands for, in any case; None for a word that is no level."""
    word = text.strip().upper()
    if not word or len(word) > 16:
        return None
    if word in NAMES:
        return NAMES[word]
    try:
        parse_level(word)
    except RecordError:
        return None
    return word


def numbered(value: int, *, pino: bool = False) -> str | None:
    """Return the level of a number: syslog's 0 to 7, or by tens on pino's or Python's scale."""
    if 0 <= value <= 7:
        return SYSLOG[value]
    return (PINO if pino else PYTHON).get(value)


def of_priority(priority: int) -> str:
    """Return the level inside a syslog priority, `<13>`: its lowest three bits."""
    return SYSLOG[priority & 7]


def in_text(text: str) -> str | None:
    """Return the level that stands written in a line, if one does."""
    short = _SHORT.match(text)
    if short:
        return NAMES[short[1]]
    head = text[:LOOKED_AT_CHARS]
    marked, capitals = _MARKED.search(head), _IN_CAPITALS.search(head)
    first = min((m for m in (marked, capitals) if m), key=lambda m: m.start(), default=None)
    return named(next(group for group in first.groups() if group)) if first else None
