"""Who makes the call that is being served, what he may do, and the trace that it belongs to.

Whoever comes over stdio, or over loopback where no tokens are set, is the user of this machine and
may do everything. The trace is that of the call's `_meta.traceparent`, which the SDK reads; else of
the HTTP headers `traceparent` and `X-Trace-ID`, which it does not.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from typing import NamedTuple

from mcp.types import ToolAnnotations
from opentelemetry import trace

from dewey_logs.dialogue import ADMIN, READ, WRITE
from dewey_logs.tools.line import Line

CALLER_KEY = "godot.caller"  # where the gate leaves the caller in an ASGI scope
LINE_KEY = "godot.line"  # and how he is heard to hang up
MAX_TRACE_CHARS = 128

_TRACEPARENT = re.compile(  # later versions may say more behind it
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


class Caller(NamedTuple):
    """A name for logs, and the scopes he has; None is everything."""

    name: str
    scopes: frozenset[str] | None

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


class _Served(NamedTuple):
    caller: Caller
    trace_id: str | None
    line: Line | None


LOCAL = Caller("local", None)
_served: ContextVar[_Served | None] = ContextVar("godot_served", default=None)


def caller() -> Caller:
    """Return who makes the call being served."""
    served = _served.get()
    return served.caller if served else LOCAL


def calls_trace_id() -> str | None:
    """Return the trace id of the call being served, a UUID's in lower case with hyphens."""
    served = _served.get()
    return served.trace_id if served else None


def asking() -> AbstractContextManager[None]:
    """Ask for the call being served; raises QueryTimeout when its caller hangs up meanwhile."""
    served = _served.get()
    return nullcontext() if served is None or served.line is None else served.line.asking()


def unattended() -> Context:
    """Return the context of the call being served without its line: its caller may hang up."""
    context = copy_context()
    if served := _served.get():
        context.run(_served.set, served._replace(line=None))
    return context


@contextmanager
def serving(
    made_by: Caller, headers: Mapping[str, str], line: Line | None = None
) -> Iterator[None]:
    """Serve a call: log lines of this task and its threads are tagged, see `tag_log_lines`."""
    token = _served.set(_Served(made_by, _trace_id(headers), line))
    try:
        yield
    finally:
        _served.reset(token)


def needed_scope(hints: ToolAnnotations) -> str:
    """Return what a tool asks of a token: what only adds is a write, any other change is admin."""
    if hints.read_only_hint:
        return READ
    only_adds = hints.destructive_hint is False and not hints.idempotent_hint
    return WRITE if only_adds else ADMIN


def tag_log_lines() -> None:
    """Give each line logged while a call is served its trace and caller; once `logging` is set up.

    The formatters print whatever stands in a record beside the usual.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(_tagged)


def _tagged(record: logging.LogRecord) -> bool:
    served = _served.get()
    if served is not None:
        record.caller = served.caller.name
        if served.trace_id:
            record.trace_id = served.trace_id
    return True


def _trace_id(headers: Mapping[str, str]) -> str | None:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        return str(uuid.UUID(int=span.trace_id))
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if parent:
        return str(uuid.UUID(parent[1]))
    given = headers.get("x-trace-id", "").strip()
    if not given or len(given) > MAX_TRACE_CHARS or not given.isprintable():
        return None
    try:
        return str(uuid.UUID(given)) if len(given) in (32, 36) else given
    except ValueError:
        return given
