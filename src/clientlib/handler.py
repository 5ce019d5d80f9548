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

from clientlib.fallback import say
from clientlib.lifecycle import is_sender_thread
from clientlib.logger import ICCMLogger
from clientlib.plain import Notes, exception_text, text_of
from clientlib.settings import level_of_number

_IGNORED = ("redis", "clientlib", "push_response")
_ORDINARY = frozenset(("DEBUG", "INFO", "WARNING", "ERROR", "TRACE", "WARN"))
_MARK = "_godot_seen"
LAST_S = 253_402_300_800  # the end of the year 9999

_BLANK = vars(logging.LogRecord("", 0, "", 0, "", None, None))
_STANDARD = frozenset((*_BLANK, "message", "asctime", "taskName", _MARK))
_PLAIN_SIZE = len(_BLANK) + 1  # and our mark


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

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit without the handler's lock: appending needs none."""
        found: object = self.filter(record)
        if found:  # since Python 3.12 a filter may return another record
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record over; never raises, also when `%` formatting or an attribute fails."""
        try:
            if _MARK in record.__dict__ or _is_ours(record):
                return
            record.__dict__[_MARK] = True  # a second handler above must not send it again
            level = level_of_number(record.levelno)
            if not self._godot.is_enabled(level):
                return
            notes = None
            if record.levelname not in _ORDINARY:
                notes = Notes({"level": record.levelname})
            data = _data_of(record)
            trace_id = data.pop("trace_id", None)
            at_ns = _time_ns(record.created)
            self._godot.emit_at(at_ns, int(level), _message_of(record), data, trace_id, notes)
        except Exception as exc:  # noqa: BLE001  # a log call must not fail
            # not handleError: it prints the message and its arguments, secrets and all
            name, kind = text_of(record.name)[:80], type(exc).__name__
            say(f"a record of the logger {name} could not be taken: {kind}")

    def flush(self) -> None:
        """Do nothing: `logging` asks at exit, and the client flushes itself then."""

    def close(self) -> None:
        """Send what is buffered, and unregister."""
        self._godot.close()
        super().close()


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _IGNORED or is_sender_thread(record.thread)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # a wrong number of % arguments, a hostile __str__
        return f"{text_of(record.msg)} (arguments: {text_of(record.args)})"


def _time_ns(created: object) -> int:
    """Return a record's time; 0, which is now, for what no stream entry can say."""
    if isinstance(created, int | float) and 0 < created < LAST_S:
        return int(created * 1_000_000) * 1_000
    return 0


def _data_of(record: logging.LogRecord) -> dict[str, object]:
    found: dict[str, object] = {"logger": record.name}
    values = record.__dict__
    if len(values) > _PLAIN_SIZE:
        found.update((name, value) for name, value in values.items() if name not in _STANDARD)
    exc: object = record.exc_info
    if isinstance(exc, tuple) and len(exc) == 3:
        exc = exc[1]
    if isinstance(exc, BaseException):
        found["exception"] = exception_text(exc)
    elif record.exc_text:
        found["exception"] = record.exc_text
    if record.stack_info:
        found["stack"] = record.stack_info
    return found
