"""What the tools are called in a server: descriptions and hints name each other's tools."""

from __future__ import annotations

from typing import NamedTuple


class Names(NamedTuple):
    """The names of a server's tools, by what they do."""

    query: str
    stats: str
    trace: str
    context: str
    patterns: str
    compare: str
    tail: str
    facets: str
    clear: str
    set_level: str


DEWEY = Names(
    query="dewey_query_logs",
    stats="dewey_get_log_stats",
    trace="dewey_trace",
    context="dewey_context",
    patterns="dewey_patterns",
    compare="dewey_compare",
    tail="dewey_tail",
    facets="dewey_facets",
    clear="dewey_clear_logs",
    set_level="dewey_set_log_level",
)
