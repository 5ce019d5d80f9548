"""The tools for agents, and what every MCP server of ours has in common.

A tool is written once and offered under two names: Dewey's own, and Godot's, which is the one that
programs and agents beside a Godot use. A server chooses its tools; `StrictServer` holds the rules
that all of them keep, `listen` the ways to be reached.
"""

from __future__ import annotations

from dewey_logs.dialogue import ADMIN, DELIVER, READ, SCOPES, WRITE
from dewey_logs.errors import CannotListen
from dewey_logs.tools.answer import answer, written
from dewey_logs.tools.arguments import FILTER, filtered
from dewey_logs.tools.caller import caller, calls_trace_id
from dewey_logs.tools.calls import current
from dewey_logs.tools.clear import offer_clear
from dewey_logs.tools.compare import (
    COMPARE_ABOUT,
    Back,
    MinRatio,
    offer_compare,
    windows_compared,
)
from dewey_logs.tools.context import offer_context
from dewey_logs.tools.facets import offer_facets
from dewey_logs.tools.gate import Access
from dewey_logs.tools.hosts import is_loopback
from dewey_logs.tools.kinds import COUNTS, EVERYTHING, WRITES, Kind, Selection, selection
from dewey_logs.tools.level import offer_level
from dewey_logs.tools.listen import allow, application, bind, serve_http, serve_stdio, url_of
from dewey_logs.tools.lookout import Lookout, Sight, counter, gauge, gauges
from dewey_logs.tools.measured import MeasuredStore
from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.names import DEWEY, Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.patterns import offer_patterns
from dewey_logs.tools.programs import offer_ask
from dewey_logs.tools.prompts import offer_prompts
from dewey_logs.tools.query import offer_query
from dewey_logs.tools.resources import offer_resources
from dewey_logs.tools.stats import offer_stats
from dewey_logs.tools.store import offer_store
from dewey_logs.tools.strict import StrictServer, ToolFunction
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, columns_of
from dewey_logs.tools.tail import offer_tail
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask, Turns, asked
from dewey_logs.tools.tokens import BadTokens
from dewey_logs.tools.tokens import add as add_token
from dewey_logs.tools.tokens import make as make_token
from dewey_logs.tools.trace import offer_trace

__all__ = [
    "ADMIN",
    "ANSWER_BYTES",
    "COMPARE_ABOUT",
    "COUNTS",
    "DELIVER",
    "DEWEY",
    "EVERYTHING",
    "FILTER",
    "MESSAGE_CHARS",
    "READ",
    "SCOPES",
    "UNTRUSTED",
    "WRITE",
    "WRITES",
    "Access",
    "Ask",
    "Back",
    "BadTokens",
    "CannotListen",
    "Kind",
    "Lookout",
    "MeasuredStore",
    "MinRatio",
    "Names",
    "Payload",
    "Selection",
    "Sight",
    "StrictServer",
    "ToolFunction",
    "ToolMetrics",
    "Turns",
    "add_token",
    "allow",
    "answer",
    "application",
    "asked",
    "bind",
    "caller",
    "calls_trace_id",
    "columns_of",
    "counter",
    "current",
    "cut",
    "filtered",
    "fitting",
    "gauge",
    "gauges",
    "is_loopback",
    "make_token",
    "offer_ask",
    "offer_clear",
    "offer_compare",
    "offer_facets",
    "offer_level",
    "offer_reading",
    "offer_store",
    "selection",
    "serve_http",
    "serve_stdio",
    "url_of",
    "windows_compared",
    "written",
]

_READING = (
    offer_query,
    offer_stats,
    offer_trace,
    offer_context,
    offer_patterns,
    offer_tail,
)


def offer_reading(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add what reads and what helps reading; to compare, each server offers its own."""
    for offer in _READING:
        offer(server, names, ask)
    offer_prompts(server, names)
    offer_resources(server, ask, names)
