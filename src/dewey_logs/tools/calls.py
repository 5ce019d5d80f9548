"""On whose behalf something is changed: the tool, its caller and what he uses, and the trace.

It goes with the context, so that a tool can say so in the log without being told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from mcp.server.mcpserver import Context

from dewey_logs.tools.caller import caller, calls_trace_id
from dewey_logs.tools.texts import cut

NAME_CHARS = 80


class Call(NamedTuple):
    """One call; `caller` is the owner of its token, or local, and what the client calls itself."""

    tool: str
    caller: str
    trace_id: str | None

    @property
    def asked_by(self) -> str:
        """What the log keeps of who asked for a change."""
        return f"{self.tool} by {self.caller}"


_current: ContextVar[Call | None] = ContextVar("godot_call", default=None)


def current() -> Call:
    """Return the call that is being served."""
    return _current.get() or Call("nobody's call", "nobody", None)


@contextmanager
def calling(tool: str, context: Context[Any, Any] | None) -> Iterator[None]:
    """Make a call the current one, inside `caller.serving`."""
    client = _client(context)
    who = f"{caller().name}{f' ({client})' if client else ''}"
    token = _current.set(Call(tool, who, calls_trace_id()))
    try:
        yield
    finally:
        _current.reset(token)


def _client(context: Context[Any, Any] | None) -> str:
    """Return how the client calls itself, which proves nothing."""
    try:
        params = context.request_context.session.client_params if context else None
    except ValueError:  # called outside of a request
        return ""
    if params is None:
        return ""
    return cut(f"{params.client_info.name} {params.client_info.version}".strip(), NAME_CHARS)
