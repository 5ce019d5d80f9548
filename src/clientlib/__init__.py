"""Godot's client: structured logging that costs the caller a microsecond and never blocks it.

    from clientlib import ICCMLogger

    log = ICCMLogger(component="billing")
    log.info("paid", {"order": 17})

`GodotHandler` does the same for programs that use `logging`, `GodotProcessor` for structlog. redis
is imported by the sender's thread: with the first record, or when the process is a second old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clientlib.cleaning import clean_data, clean_text, data_text, parse_data
from clientlib.context import bind, current_trace_id, trace_context
from clientlib.endpoint import default_data_dir, read_endpoint
from clientlib.errors import ClientError, ConfigError, RecordError
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

if TYPE_CHECKING:
    from clientlib.handler import GodotHandler
    from clientlib.processor import GodotProcessor

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


def __getattr__(name: str) -> object:
    if name == "GodotHandler":
        from clientlib.handler import GodotHandler

        return GodotHandler
    if name == "GodotProcessor":  # needs structlog
        from clientlib.processor import GodotProcessor

        return GodotProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
