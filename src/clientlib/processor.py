"""structlog into Godot: one processor, at the end of the chain.

    structlog.configure(processors=[merge_contextvars, GodotProcessor("billing")])

The event is the message, everything else data. A `timestamp`, and a `level` that is the name of
one, are left out, as a record has both already; so name no TimeStamper and no add_log_level for
Godot's sake, they only cost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from clientlib.logger import ICCMLogger
from clientlib.plain import Notes, exception_text
from clientlib.record import Level

_TRACE, _DEBUG, _INFO, _WARN, _ERROR = (int(level) for level in Level)
_LEVELS = {
    "trace": (_TRACE, None),
    "debug": (_DEBUG, None),
    "info": (_INFO, None),
    "msg": (_INFO, None),
    "warning": (_WARN, None),
    "warn": (_WARN, None),
    "error": (_ERROR, None),
    "err": (_ERROR, None),
    "exception": (_ERROR, None),
    "critical": (_ERROR, "CRITICAL"),
    "fatal": (_ERROR, "FATAL"),
}
_OTHERS = (_INFO, None)


class GodotProcessor:
    """Sends every event it gets; arguments are those of ICCMLogger.

    The chain ends here, nothing is printed; with `pass_on` the next processor gets the event as it
    was. Exceptions become `data.exception`, the traceback as text without local variables.
    """

    def __init__(
        self,
        component: str | None = None,
        redis_url: str | None = None,
        level: int | str = "TRACE",
        redact_fields: Iterable[str] | None = None,
        *,
        logger: ICCMLogger | None = None,
        pass_on: bool = False,
        **more: Any,
    ) -> None:
        self._godot = logger or ICCMLogger(component, redis_url, level, redact_fields, **more)
        self._gate = self._godot.gate
        self._pass_on = pass_on
        from structlog import DropEvent  # here, so that every name of clientlib imports without it

        self._drop = DropEvent

    def __call__(
        self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        level, original = _LEVELS.get(method_name, _OTHERS)
        if self._gate.level <= level:
            try:
                data = dict(event_dict) if self._pass_on else event_dict
                message, trace_id = data.pop("event", ""), data.pop("trace_id", None)
                if "timestamp" in data:
                    del data["timestamp"]
                if "level" in data and _is_level(data["level"]):
                    del data["level"]
                if "exc_info" in data and (exc_info := data.pop("exc_info")):
                    data["exception"] = _exception(exc_info)
                if original is None:
                    self._godot.emit(level, message, data or None, trace_id)
                else:
                    notes = Notes({"level": original})
                    self._godot.emit_at(0, level, message, data or None, trace_id, notes)
            except Exception as exc:  # noqa: BLE001  # a log call must not fail
                self._godot.refuse(f"events of structlog could not be taken: {type(exc).__name__}")
        if self._pass_on:
            return event_dict
        raise self._drop


def _is_level(value: object) -> bool:
    """Say whether structlog may have put it there: the level of a tank is data."""
    return isinstance(value, str) and value in _LEVELS


def _exception(exc_info: object) -> str:
    """Return the text of what structlog understands: True, an exception, or a triple."""
    exc: object = exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        exc = exc_info[1]
    elif not isinstance(exc_info, BaseException):
        exc = sys.exception()
    return exception_text(exc) if isinstance(exc, BaseException) else "no exception"
