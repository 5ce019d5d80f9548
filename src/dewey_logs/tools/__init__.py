"""The tools for agents, and what every MCP server of ours has in common.

A tool is written once and offered under two names: Dewey's own, and Godot's, which is the one that
programs and agents beside a Godot use. A server chooses its tools; `StrictServer` holds the rules
that all of them keep, `listen` the ways to be reached.
"""

from __future__ import annotations

from dewey_logs.tools.answer import answer
from dewey_logs.tools.caller import (
    ADMIN,
    DELIVER,
    READ,
    SCOPES,
    WRITE,
    caller,
    calls_trace_id,
)
from dewey_logs.tools.gate import Access
from dewey_logs.tools.hosts import is_loopback
from dewey_logs.tools.listen import (
    CannotListen,
    allow,
    application,
    bind,
    serve_http,
    serve_stdio,
    url_of,
)
from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.programs import offer_ask
from dewey_logs.tools.query import UNTRUSTED, offer_query
from dewey_logs.tools.store import offer_store
from dewey_logs.tools.strict import StrictServer, ToolFunction
from dewey_logs.tools.threads import asked
from dewey_logs.tools.tokens import BadTokens
from dewey_logs.tools.tokens import add as add_token
from dewey_logs.tools.tokens import make as make_token

__all__ = [
    "ADMIN",
    "DELIVER",
    "READ",
    "SCOPES",
    "UNTRUSTED",
    "WRITE",
    "Access",
    "BadTokens",
    "CannotListen",
    "StrictServer",
    "ToolFunction",
    "ToolMetrics",
    "add_token",
    "allow",
    "answer",
    "application",
    "asked",
    "bind",
    "caller",
    "calls_trace_id",
    "is_loopback",
    "make_token",
    "offer_ask",
    "offer_query",
    "offer_store",
    "serve_http",
    "serve_stdio",
    "url_of",
]
