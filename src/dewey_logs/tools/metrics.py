"""Counts and durations of tool calls, under the same names in every server of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

OUTCOMES = ("ok", "refused", "failed")  # refused: the caller can mend it; failed: only we can
REFUSALS = ("host", "origin", "token", "rate", "size", "slow", "gone")  # by the gate
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ToolMetrics:
    """Every tool's series exist from the start: a counter that first shows at 1 is never seen."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: set[str] = set()
        self._calls = Counter(
            "godot_mcp_tool_calls_total",
            "Tool calls by outcome: ok, refused (bad arguments), failed (backend or bug).",
            ("tool", "outcome"),
            registry=registry,
        )
        self._durations = Histogram(
            "godot_mcp_tool_duration_seconds",
            "Time from a tool call's arrival to its answer.",
            ("tool",),
            buckets=BUCKETS_S,
            registry=registry,
        )

        self._refused = Counter(
            "godot_mcp_requests_refused_total",
            "HTTP requests that went no further than the gate, by reason.",
            ("reason",),
            registry=registry,
        )
        for reason in REFUSALS:
            self._refused.labels(reason)

    def refused(self, reason: str) -> None:
        """Count one request that the gate refused."""
        self._refused.labels(reason).inc()

    def expect(self, tool: str) -> None:
        """Make the series of a tool, at zero."""
        self._known.add(tool)
        self._durations.labels(tool)
        for outcome in OUTCOMES:
            self._calls.labels(tool, outcome)

    def observe(self, tool: str, outcome: str, seconds: float) -> None:
        """Count one call; a tool that does not exist has no series."""
        if tool in self._known:
            self._calls.labels(tool, outcome).inc()
            self._durations.labels(tool).observe(seconds)
