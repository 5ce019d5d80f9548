"""Standard `logging` into Godot: one handler, and nothing else in the program changes.

    logging.getLogger().addHandler(GodotHandler(component="billing"))

`extra` becomes data, the logger's name `data.logger`, an exception `data.exception` (the traceback
as text, never local variables). Levels fall into ours; CRITICAL and levels of the program's own
keep their name in `data.godot.level`. What redis, this client and the sender's thread log is
ignored: the exporter must not log through itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import floor

from clientlib.logger import ICCMLogger
from clientlib.plain import Notes, exception_text, text_of, text_within
from clientlib.sender import threads as sender_threads
from clientlib.settings import level_of_number

_IGNORED = ("redis", "clientlib", "push_response")
_ORDINARY = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40}  # as ours
_MARK = "_godot_seen"
_Record = logging.LogRecord
MAX_LEVEL_BYTES = 128
LAST_S = 253_402_300_800.0  # the end of the year 9999

_BLANK = tuple(vars(logging.LogRecord("", 0, "", 0, "", None, None)))
_LAST, _STANDARD_NAMES = _BLANK[-1], len(_BLANK)
_STANDARD = frozenset((*_BLANK, "message", "asctime", "taskName", _MARK))
MAX_NAMES_REMEMBERED = 1_000
_others: set[object] = set()  # names of loggers that are not ours


class GodotHandler(logging.Handler):
    """Sends every record it gets; thresholds are `logging`'s business.

    Arguments are those of ICCMLogger; `level` is the handler's, as with every handler. It can be
    named in `dictConfig` with `"class": "clientlib.GodotHandler"` or `"()"`.
    """

    def __init__(
        self,
        component: str | None = None,
        redis_url: str | None = None,
        level: int | str = logging.NOTSET,
        redact_fields: Iterable[str] | None = None,
        *,
        logger: ICCMLogger | None = None,
        redact_values: bool = True,
        stream: str | None = None,
        flush_timeout_s: float | None = None,
    ) -> None:
        super().__init__(level)
        self._godot = logger or ICCMLogger(
            component,
            redis_url,
            "TRACE",
            redact_fields,
            redact_values=redact_values,
            stream=stream,
            flush_timeout_s=flush_timeout_s,
        )
        self._gate = self._godot.gate

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit without the handler's lock: appending needs none."""
        if not self.filters:
            self.emit(record)
            return True
        found: object = self.filter(record)
        if found:  # since Python 3.12 a filter may return another record
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record over; never raises, also when `%` formatting or an attribute fails."""
        name: object = "?"
        try:
            values = record.__dict__
            name = record.name
            if (
                _MARK in values
                or record.thread in sender_threads
                or (name not in _others and _is_ours(name))
            ):
                return
            level, levelname = record.levelno, record.levelname
            ordinary = _ORDINARY.get(levelname) == level
            if not ordinary:
                level = int(level_of_number(level))
            if self._gate.level > level:
                return
            data, trace_id = _data_of(record, values, name)
            values[_MARK] = True  # a second handler above must not send it again
            message, created = record.msg, record.created
            if record.args or type(message) is not str or type(record) is not _Record:
                message = _message_of(record)
            if type(created) is float and 0.0 < created < LAST_S:
                at_ns = floor(created * 1e6) * 1_000
            else:
                at_ns = _time_ns(created)
            if ordinary or levelname in _ORDINARY:
                self._godot.emit(level, message, data, trace_id, at_ns)
            else:
                notes = Notes({"level": text_within(text_of(levelname), MAX_LEVEL_BYTES)[0]})
                self._godot.emit_at(at_ns, level, message, data, trace_id, notes)
        except Exception as exc:  # noqa: BLE001  # a log call must not fail
            # not handleError: it prints the message and its arguments, secrets and all
            shown, kind = text_of(name)[:80], type(exc).__name__
            self._godot.refuse(f"records of the logger {shown} could not be taken: {kind}")

    def flush(self) -> None:
        """Do nothing: `logging` asks at exit, and the client flushes itself then."""

    def close(self) -> None:
        """Send what is buffered, and unregister."""
        self._godot.close()
        super().close()


def _is_ours(name: object) -> bool:
    """Say whether a logger is one of those to ignore; remembers those that are not."""
    if text_of(name).partition(".")[0] in _IGNORED:
        return True
    if len(_others) < MAX_NAMES_REMEMBERED:
        _others.add(name)
    return False


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # a wrong number of % arguments, a hostile __str__
        return f"{text_of(record.msg)} (arguments: {text_of(record.args)})"


def _time_ns(created: object) -> int:
    """Return a record's time; 0, which is now, for what no stream entry can say."""
    if type(created) is int:
        created = float(created) if 0 < created < LAST_S else 0.0
    if isinstance(created, float) and 0.0 < created < LAST_S:
        return floor(created * 1e6) * 1_000
    return 0


def _data_of(
    record: _Record, values: dict[str, object], logger: object
) -> tuple[dict[str, object], object]:
    """Return the data, and the trace id if `extra` brought one.

    `extra` stands behind what every record has, and is read from the end, since there are twenty
    names before it; so it comes in reverse order.
    """
    found: dict[str, object] = {"logger": logger}
    trace_id = None
    unseen = len(values) - _STANDARD_NAMES
    for name in reversed(values):
        if name == _LAST:
            break
        unseen -= 1
        if name == "trace_id":
            trace_id = values[name]
        elif name not in _STANDARD:
            found[name] = values[name]
    if unseen:  # made or changed in somebody's own way
        found.update({name: values[name] for name in values if name not in _STANDARD})
        trace_id = found.pop("trace_id", None)
    if record.exc_info is not None or record.exc_text:
        exc: object = record.exc_info
        if isinstance(exc, tuple) and len(exc) == 3:
            exc = exc[1]
        if isinstance(exc, BaseException):
            found["exception"] = exception_text(exc)
        elif record.exc_text:
            found["exception"] = record.exc_text
    if record.stack_info:
        found["stack"] = record.stack_info
    return found, trace_id
