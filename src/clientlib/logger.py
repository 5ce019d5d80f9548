"""ICCMLogger: the caller's side of a log call, and nothing else.

A call compares the level, reads the clock and the context, encodes `data` once (a snapshot: what
the program changes later does not show, and one bad object spoils no other record) and appends.
About a microsecond; no lock, no I/O, no exception. The message is text and cannot change, so it is
not copied. What does not go that way goes by `detour.py`, still in the caller's thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from clientlib.buffer import UNREADABLE
from clientlib.cleaning import as_object
from clientlib.context import Bound, current
from clientlib.detour import encode, put_carefully, put_hostile
from clientlib.fallback import say
from clientlib.framing import Source
from clientlib.lifecycle import sender_for
from clientlib.plain import MAX_REPR_CHARS, Notes, exception_text, plain, text_of
from clientlib.record import Level, parse_level
from clientlib.redaction import Redactor
from clientlib.sender import Sender
from clientlib.settings import ClientSettings, load, read_level
from clientlib.stats import ClientStats

_TRACE, _DEBUG, _INFO, _WARN, _ERROR = (int(level) for level in Level)

_now_ns = time.time_ns
_context = current.get
_complained: set[str] = set()
MAX_COMPLAINTS = 1_000


class ICCMLogger:
    """Logs for one component; cheap to make, since all loggers of a process share one sender.

    Arguments win over the environment; a wrong argument raises ConfigError, a wrong variable is one
    line on stderr. After construction no method raises.
    """

    __slots__ = (
        "__weakref__",
        "_flush_timeout_s",
        "_given",
        "_intake",
        "_sender",
        "_source",
        "component",
        "gate",
    )

    def __init__(
        self,
        component: str | None = None,
        redis_url: str | None = None,
        level: str | int | None = None,
        redact_fields: Iterable[str] | None = None,
        *,
        redact_values: bool = True,
        enabled: bool | None = None,
        stream: str | None = None,
        maxlen: int | None = None,
        buffer_records: int | None = None,
        buffer_bytes: int | None = None,
        flush_timeout_s: float | None = None,
    ) -> None:
        given: dict[str, object] = {
            "component": component,
            "redis_url": redis_url,
            "level": level,
            "redact_fields": redact_fields,
            "enabled": enabled,
            "stream": stream,
            "maxlen": maxlen,
            "buffer_records": buffer_records,
            "buffer_bytes": buffer_bytes,
            "flush_timeout_s": flush_timeout_s,
        }
        settings = load(given, _complain)
        self.component = settings.component
        self._flush_timeout_s = settings.flush_timeout_s
        sender = sender_for(settings.destination, settings.flush_timeout_s)
        self.gate = sender.levels.gate(settings.component, settings.level, settings.enabled)
        self._source = Source(settings.component, _redactor(settings, redact_values))
        if redact_fields is not None:
            given["redact_fields"] = settings.redact_fields
        self._given = {**given, "redact_values": redact_values}
        self._use(sender)
        if settings.enabled:
            sender.open(self)

    def _use(self, sender: Sender) -> None:
        self._sender = sender
        self._intake = sender.intake
        sender.greet(self._source)

    def trace(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what only someone reading the code wants to know."""
        if self.gate.level <= _TRACE:
            self.emit(_TRACE, message, data, trace_id)

    def debug(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what helps to find a fault."""
        if self.gate.level <= _DEBUG:
            self.emit(_DEBUG, message, data, trace_id)

    def info(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what happened as it should."""
        if self.gate.level <= _INFO:
            self.emit(_INFO, message, data, trace_id)

    def warn(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what should not happen but was dealt with."""
        if self.gate.level <= _WARN:
            self.emit(_WARN, message, data, trace_id)

    warning = warn

    def error(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what failed."""
        if self.gate.level <= _ERROR:
            self.emit(_ERROR, message, data, trace_id)

    def exception(self, message: object, data: object = None, trace_id: str | None = None) -> None:
        """Log what failed, with the exception being handled as `data.exception`.

        The traceback's text, without local variables, which may hold anything.
        """
        if self.gate.level > _ERROR:
            return
        exc = sys.exception()
        if exc is None:
            self.emit(_ERROR, message, data, trace_id)
            return
        now_ns, notes = _now_ns(), Notes()
        try:
            value = {} if data is None else plain(as_object(data), notes)
        except Exception:  # noqa: BLE001  # a user's own Mapping may raise anything
            notes.cleaned.add("values")
            value = {"value": text_of(data)[:MAX_REPR_CHARS]}
        value["exception"] = exception_text(exc)
        self.emit_at(now_ns, _ERROR, message, value, trace_id, notes)

    def log(
        self, level: str | int, message: object, data: object = None, trace_id: str | None = None
    ) -> None:
        """Log at a level given by name, alias or number; an unknown one counts as INFO."""
        notes = None
        try:
            number = int(read_level(level))
            if isinstance(level, str) and (original := parse_level(level)[1]):
                notes = Notes({"level": original})
        except Exception:  # noqa: BLE001  # a level may be as hostile as any data
            number = _INFO
        if self.gate.level <= number:
            self.emit_at(_now_ns(), number, message, data, trace_id, notes)

    def is_enabled(self, level: str | int) -> bool:
        """Say whether a record of this level would be made: for data that is costly to gather."""
        try:
            return self.gate.level <= read_level(level)
        except Exception:  # noqa: BLE001  # a level may be as hostile as any data
            return False

    def set_level(self, level: str | int) -> None:
        """Change the lowest level that is logged, for this logger and its children.

        An unknown level changes nothing and is one line on stderr.
        """
        try:
            self.gate.set(read_level(level))
        except Exception:  # noqa: BLE001  # a level may be as hostile as any data
            shown = text_of(level)[:80]
            say(f"level {shown!r} is unknown: allowed are {', '.join(Level.__members__)}")

    def bind(self, /, **fields: object) -> ICCMLogger:
        """Return a child whose records all carry these fields; a record's own data wins."""
        child = object.__new__(type(self))
        child.component = self.component
        child._flush_timeout_s = self._flush_timeout_s
        child.gate = self.gate
        child._given = self._given
        try:
            outer = self._source.bound
            bound = outer.with_fields(fields) if outer is not None else Bound(fields)
        except Exception:  # noqa: BLE001  # fields that nothing can be made of
            bound = self._source.bound or Bound({})
        child._source = self._source.with_bound(bound)
        child._use(self._sender)
        return child

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything logged so far is in Redis; False when it is not after `timeout` s.

        Without a timeout the flush deadline of the settings holds.
        """
        timeout_s = self._flush_timeout_s
        if timeout is not None:
            try:
                timeout_s = max(0.0, float(timeout))
            except Exception:  # noqa: BLE001  # as hostile as any data
                _complain(f"flush was given no number of seconds; it waits {timeout_s:g} s")
        return self._sender.flush(timeout_s)

    def close(self) -> None:
        """Flush, and let the sender rest unless other loggers are open; a later record wakes it."""
        self._sender.close(self, self._flush_timeout_s)

    def stats(self) -> ClientStats:
        """Return what this process's client did so far."""
        return self._sender.stats()

    def __copy__(self) -> ICCMLogger:
        """Return the logger itself: what it leads to belongs to the process."""
        return self

    def __deepcopy__(self, memo: object) -> ICCMLogger:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Say how another process makes its own: objects that hold a logger go to pools as well.

        By the arguments given here, an URL among them; for the rest by the settings found there.
        """
        bound = self._source.bound
        return _made_again, (type(self), self._given, self.gate.own, bound and bound.fields)

    def __enter__(self) -> ICCMLogger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def emit(
        self, level: int, message: object, data: object, trace_id: object, now_ns: int = 0
    ) -> None:
        """Log at a level that was compared with the gate's already; `now_ns` 0 is now."""
        try:
            payload = b"" if data is None else encode(data)
        except Exception:  # noqa: BLE001  # hostile data must not reach the program
            put_hostile(self._intake, self._source, level, message, data, trace_id, now_ns)
            return
        intake = self._intake
        if type(message) is str and (trace_id is None or type(trace_id) is str):
            size = len(message) + len(payload)
            if (
                size < intake.slot_bytes
                and len(intake.queue) < intake.soft
                and payload.rfind(b"null") < 0  # as `holds` in pattern.py, without its call
            ):
                # nothing is caught from here on: what a signal's handler raises is the program's
                intake.queue.append(
                    (
                        level,
                        now_ns or _now_ns(),
                        self._source,
                        _context(),
                        trace_id,
                        message,
                        payload,
                        None,
                    )
                )
                if intake.idle:
                    intake.wake()
                return
        put_carefully(intake, self._source, level, message, data, payload, trace_id, now_ns)

    def refuse(self, why: str) -> None:
        """Count a record that nothing can be made of, for a receipt to name, and say why, once."""
        self._intake.refuse(UNREADABLE)
        _complain(why)

    def emit_at(
        self,
        now_ns: int,
        level: int,
        message: object,
        data: object,
        trace_id: object,
        notes: Notes | None = None,
    ) -> None:
        """Do the same for what has notes already."""
        intake, source = self._intake, self._source
        try:
            payload = b"" if data is None else encode(data)
        except Exception:  # noqa: BLE001  # hostile data must not reach the program
            put_hostile(intake, source, level, message, data, trace_id, now_ns, notes)
            return
        put_carefully(intake, source, level, message, data, payload, trace_id, now_ns, notes)


def _made_again(
    kind: type[ICCMLogger],
    given: dict[str, Any],
    level: Level,
    fields: dict[str, object] | None,
) -> ICCMLogger:
    logger = kind(**given)
    logger.set_level(level)
    return logger.bind(**fields) if fields else logger


def _redactor(settings: ClientSettings, values: bool) -> Redactor:
    """Return the rules; loggers with equal rules share them, so that a batch is searched once."""
    key = (settings.redact_fields, values)
    if key not in _redactors:
        _redactors[key] = Redactor(settings.redact_fields, values)
    return _redactors[key]


def _complain(line: str) -> None:
    """Say what is wrong, once per process."""
    if line not in _complained and len(_complained) < MAX_COMPLAINTS:
        _complained.add(line)
        say(line)


_redactors: dict[tuple[tuple[str, ...], bool], Redactor] = {}
