"""The tools for agents, and what every MCP server of ours has in common.

A tool is written once and offered under two names: Dewey's own, and Godot's, which is the one that
programs and agents beside a Godot use. A server chooses its tools; `StrictServer` holds the rules
that all of them keep, `listen` the ways to be reached.
"""

from __future__ import annotations

from dewey_logs.tools.answer import answer
from dewey_logs.tools.listen import (
    CannotListen,
    application,
    bind,
    serve_http,
    serve_stdio,
    url_of,
)
from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.query import UNTRUSTED, offer_query
from dewey_logs.tools.store import offer_store
from dewey_logs.tools.strict import StrictServer, ToolFunction
from dewey_logs.tools.threads import asked

__all__ = [
    "UNTRUSTED",
    "CannotListen",
    "StrictServer",
    "ToolFunction",
    "ToolMetrics",
    "answer",
    "application",
    "asked",
    "bind",
    "offer_query",
    "offer_store",
    "serve_http",
    "serve_stdio",
    "url_of",
]
