"""Counts and durations of tool calls and requests, under the same names in every server of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OUTCOMES = ("ok", "refused", "failed")  # refused: the caller can mend it; failed: only we can
ROUTES = ("/mcp", "/livez", "/readyz", "other")
CODES = ("2xx", "3xx", "4xx", "5xx")
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
        self._in_hand = Gauge(
            "godot_mcp_inflight_tool_calls", "Tool calls being answered.", registry=registry
        )
        self._requests = Counter(
            "godot_http_requests_total",
            "HTTP requests by route and class of status, those that the gate refused included.",
            ("route", "code"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "godot_http_request_duration_seconds",
            "Time from a request's head to that of its answer.",
            ("route",),
            buckets=BUCKETS_S,
            registry=registry,
        )
        for route in ROUTES:
            self._request_seconds.labels(route)
            for code in CODES:
                self._requests.labels(route, code)

    def refused(self, reason: str) -> None:
        """Count one request that the gate refused."""
        self._refused.labels(reason).inc()

    def in_hand(self, calls: int) -> None:
        """Say how many calls are being answered."""
        self._in_hand.set(calls)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count one request; a path that is none of ours is `other`: strangers choose it."""
        route = path if path in ROUTES else "other"
        self._requests.labels(route, f"{min(max(status // 100, 2), 5)}xx").inc()
        self._request_seconds.labels(route).observe(seconds)

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
