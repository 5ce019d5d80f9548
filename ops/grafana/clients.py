"""Who sends, who asks, and what they are answered."""

from __future__ import annotations

from ops.grafana.form import Dashboard, Panel, Row, quantiles, rate

CLIENTS = Dashboard(
    "clients-and-api",
    "Godot / Clients and API",
    [
        Row(
            "What do programs send?",
            [
                Panel(
                    "Producers",
                    "Processes that announced themselves within a day or owe something.",
                    "none",
                    [("max by (stream) (godot_producers{STREAM})", "{{stream}}")],
                ),
                Panel(
                    "Announced records",
                    "By all producers together.",
                    "ops",
                    [
                        (
                            "max by (stream) (rate(godot_producer_announced_records_total"
                            "{STREAM}[$__rate_interval]))",
                            "{{stream}}",
                        )
                    ],
                ),
                Panel(
                    "Dropped records",
                    "Buffers that ran full, records too large, ends in a hurry.",
                    "ops",
                    [
                        (
                            "max by (stream) (rate(godot_producer_dropped_records_total"
                            "{STREAM}[$__rate_interval]))",
                            "{{stream}}",
                        )
                    ],
                    runbook="records-dropped",
                ),
            ],
        ),
        Row(
            "What do agents ask, and how are they answered?",
            [
                Panel(
                    "Tool calls",
                    "By outcome: refused is the caller's to mend, failed is ours.",
                    "ops",
                    [(rate("godot_mcp_tool_calls_total", "outcome"), "{{outcome}}")],
                ),
                Panel(
                    "Duration by tool",
                    "From a call's arrival to its answer; tails wait on purpose.",
                    "s",
                    quantiles("godot_mcp_tool_duration_seconds", "tool"),
                ),
                Panel(
                    "Calls in hand",
                    "Being answered at the moment.",
                    "none",
                    [("sum by (role) (godot_mcp_inflight_tool_calls{JOB})", "{{role}}")],
                ),
            ],
        ),
        Row(
            "What comes over HTTP?",
            [
                Panel(
                    "Requests",
                    "By route and class of status.",
                    "ops",
                    [(rate("godot_http_requests_total", "route, code"), "{{route}} {{code}}")],
                ),
                Panel(
                    "Time to an answer's head",
                    "By route.",
                    "s",
                    quantiles("godot_http_request_duration_seconds", "route"),
                ),
                Panel(
                    "Refused at the gate",
                    "By reason: no token, too fast, too large, a foreign name.",
                    "ops",
                    [(rate("godot_mcp_requests_refused_total", "reason"), "{{reason}}")],
                ),
            ],
        ),
        Row(
            "What does watching cost?",
            [
                Panel(
                    "Duration of the last look",
                    "At what a process tells of others; scrapes do not wait for it.",
                    "s",
                    [
                        (
                            "max by (collector, role) (godot_collector_duration_seconds{JOB})",
                            "{{collector}}",
                        )
                    ],
                    width=12,
                ),
                Panel(
                    "Looks that failed",
                    "Most often because a server was away.",
                    "ops",
                    [(rate("godot_collector_errors_total", "collector"), "{{collector}}")],
                    width=12,
                    runbook="look-stale",
                ),
            ],
        ),
    ],
)
