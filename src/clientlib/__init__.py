"""Godot's client: structured logging that costs the caller a microsecond and never blocks it.

    from clientlib import ICCMLogger

    log = ICCMLogger(component="billing")
    log.info("paid", {"order": 17})

`GodotHandler` does the same for programs that use `logging`, `GodotProcessor` for structlog. redis
is imported by the sender's thread: with the first record, or when the process is a second old.
A name's module is imported when it is asked for first: a program that reads logs imports no sender.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clientlib.cleaning import clean_data, clean_text, data_text, parse_data
    from clientlib.context import bind, current_trace_id, trace_context
    from clientlib.endpoint import default_data_dir, read_endpoint
    from clientlib.errors import ClientError, ConfigError, RecordError
    from clientlib.handler import GodotHandler
    from clientlib.identity import (
        Producer,
        RecordId,
        parse_record_id,
        read_record_id,
        read_record_ids,
        record_id,
    )
    from clientlib.lifecycle import flush_on_sigterm
    from clientlib.logger import ICCMLogger
    from clientlib.plain import Notes
    from clientlib.processor import GodotProcessor
    from clientlib.record import (
        MAX_COMPONENT_CHARS,
        MAX_DATA_BYTES,
        MAX_DEPTH,
        MAX_MESSAGE_BYTES,
        MAX_TRACE_CHARS,
        Level,
        LogRecord,
        make_record,
        normal_trace_id,
        parse_level,
    )
    from clientlib.redaction import DEFAULT_FIELDS, Redactor
    from clientlib.settings import configured_redactor
    from clientlib.stats import ClientStats
    from clientlib.tracing import (
        TraceMiddleware,
        WSGITraceMiddleware,
        trace_headers,
        trace_id_from,
    )

__all__ = [
    "DEFAULT_FIELDS",
    "MAX_COMPONENT_CHARS",
    "MAX_DATA_BYTES",
    "MAX_DEPTH",
    "MAX_MESSAGE_BYTES",
    "MAX_TRACE_CHARS",
    "ClientError",
    "ClientStats",
    "ConfigError",
    "GodotHandler",
    "GodotProcessor",
    "ICCMLogger",
    "Level",
    "LogRecord",
    "Notes",
    "Producer",
    "RecordError",
    "RecordId",
    "Redactor",
    "TraceMiddleware",
    "WSGITraceMiddleware",
    "bind",
    "clean_data",
    "clean_text",
    "configured_redactor",
    "current_trace_id",
    "data_text",
    "default_data_dir",
    "flush_on_sigterm",
    "make_record",
    "normal_trace_id",
    "parse_data",
    "parse_level",
    "parse_record_id",
    "read_endpoint",
    "read_record_id",
    "read_record_ids",
    "record_id",
    "trace_context",
    "trace_headers",
    "trace_id_from",
]

_HOMES = {
    "ClientError": "clientlib.errors",
    "ClientStats": "clientlib.stats",
    "ConfigError": "clientlib.errors",
    "DEFAULT_FIELDS": "clientlib.redaction",
    "GodotHandler": "clientlib.handler",
    "GodotProcessor": "clientlib.processor",
    "ICCMLogger": "clientlib.logger",
    "Level": "clientlib.record",
    "LogRecord": "clientlib.record",
    "MAX_COMPONENT_CHARS": "clientlib.record",
    "MAX_DATA_BYTES": "clientlib.record",
    "MAX_DEPTH": "clientlib.record",
    "MAX_MESSAGE_BYTES": "clientlib.record",
    "MAX_TRACE_CHARS": "clientlib.record",
    "Notes": "clientlib.plain",
    "Producer": "clientlib.identity",
    "RecordError": "clientlib.errors",
    "RecordId": "clientlib.identity",
    "Redactor": "clientlib.redaction",
    "TraceMiddleware": "clientlib.tracing",
    "WSGITraceMiddleware": "clientlib.tracing",
    "bind": "clientlib.context",
    "clean_data": "clientlib.cleaning",
    "clean_text": "clientlib.cleaning",
    "configured_redactor": "clientlib.settings",
    "current_trace_id": "clientlib.context",
    "data_text": "clientlib.cleaning",
    "default_data_dir": "clientlib.endpoint",
    "flush_on_sigterm": "clientlib.lifecycle",
    "make_record": "clientlib.record",
    "normal_trace_id": "clientlib.record",
    "parse_data": "clientlib.cleaning",
    "parse_level": "clientlib.record",
    "parse_record_id": "clientlib.identity",
    "read_endpoint": "clientlib.endpoint",
    "read_record_id": "clientlib.identity",
    "read_record_ids": "clientlib.identity",
    "record_id": "clientlib.identity",
    "trace_context": "clientlib.context",
    "trace_headers": "clientlib.tracing",
    "trace_id_from": "clientlib.tracing",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
