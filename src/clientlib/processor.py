"""structlog into Godot: one processor, at the end of the chain.

    structlog.configure(**GodotProcessor("billing").configuration)

That is structlog's own with contextvars and nothing printed. In a chain of the program's own the
processor stands last, and nothing is printed either. But structlog's way to end a chain is an
exception, which takes 0.4 µs; beside a ReturnLogger, as in `configuration`, it is not needed.

The event is the message, everything else data. A `timestamp`, and a `level` that is the name of
one, are left out, as a record has both already; so name no TimeStamper and no add_log_level for
Godot's sake, they only cost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
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
_NOTHING: tuple[tuple[None], dict[str, Any]] = ((None,), {})  # what a ReturnLogger returns as None


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
        # here, so that every name of clientlib imports without it
        from structlog import DropEvent, ReturnLogger

        self._drop, self._returning = DropEvent, ReturnLogger
        self._returned = _LEVELS.keys() & vars(ReturnLogger).keys()  # its methods

    def __call__(
        self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> Mapping[str, Any] | tuple[tuple[None], dict[str, Any]]:
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
        if type(logger) is self._returning and method_name in self._returned:
            return _NOTHING
        raise self._drop

    @property
    def configuration(self) -> dict[str, Any]:
        """Return the arguments for `structlog.configure` with which a call costs least.

        In another chain under the same `wrapper_class` a CallsiteParameterAdder has to be told
        `additional_ignores=["clientlib"]`.
        """
        from structlog import ReturnLoggerFactory
        from structlog.contextvars import merge_contextvars

        return {
            "processors": [merge_contextvars, self],
            "wrapper_class": _bound_logger(),
            "logger_factory": ReturnLoggerFactory(),
            "cache_logger_on_first_use": True,
        }


@cache
def _bound_logger() -> type[Any]:
    """Return structlog's own bound logger, with a short way through the chain and nothing behind.

    Its own way is two more functions, each of which copies the keywords: 0.5 µs.
    """
    from structlog import DropEvent, make_filtering_bound_logger

    own: Any = make_filtering_bound_logger(0)

    class GodotBoundLogger(own):  # type: ignore[misc]  # whose class is made by a function
        def _proxy_to_logger(
            self, method_name: str, event: str | None = None, **event_kw: Any
        ) -> None:
            logger, event_dict = self._logger, self._context.copy()
            event_dict.update(event_kw)
            if event is not None:
                event_dict["event"] = event
            try:
                for processor in self._processors:
                    event_dict = processor(logger, method_name, event_dict)
            except DropEvent:
                return

    return GodotBoundLogger


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
