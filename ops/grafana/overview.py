"""Whether the log arrives, whole and in time."""

from __future__ import annotations

from ops.grafana.form import Dashboard, Panel, Row, quantiles, rate, stat

HEARTBEAT = 'godot_heartbeat_timestamp_seconds{JOB,stage="stored"}'

OVERVIEW = Dashboard(
    "overview",
    "Godot / Overview",
    [
        Row(
            "Does what programs log arrive?",
            [
                stat(
                    "Newest heartbeat",
                    "Age of the newest heartbeat that is stored.",
                    "s",
                    f"time() - max({HEARTBEAT} > 0)",
                    red_above=180,
                    runbook="heartbeat-late",
                ),
                stat(
                    "Workers",
                    "Workers that are being scraped.",
                    "none",
                    'count(godot_build_info{JOB,role="worker"}) or vector(0)',
                    red_below=1,
                    runbook="no-workers",
                ),
                stat(
                    "Backlog",
                    "Entries that are not settled.",
                    "none",
                    "max(godot_group_backlog_entries{GROUP})",
                    runbook="group-stalled",
                ),
                stat(
                    "Time to loss",
                    "When trimming reaches unread entries, as things go; infinite as a rule.",
                    "s",
                    "min(godot_group_loss_in_seconds{GROUP})",
                    red_below=600,
                    runbook="loss-near",
                ),
                stat(
                    "Open dead letters",
                    "Records that could not be stored and wait for somebody.",
                    "none",
                    "max(godot_dead_letter_open_records{JOB})",
                    red_above=1,
                    runbook="dead-letters",
                ),
                stat(
                    "Firing alerts",
                    "Alerts of Godot that fire now.",
                    "none",
                    'count(ALERTS{alertname=~"Godot.*",alertstate="firing"}) or vector(0)',
                    red_above=1,
                ),
            ],
        ),
        Row(
            "How much comes in, and how late is it stored?",
            [
                Panel(
                    "Records",
                    "Appended to the stream, and what workers made of them.",
                    "ops",
                    [
                        (
                            "max by (stream) (rate(godot_stream_added_entries_total"
                            "{STREAM}[$__rate_interval]))",
                            "appended to {{stream}}",
                        ),
                        (rate("godot_worker_records_total", "outcome"), "{{outcome}}"),
                    ],
                    width=12,
                ),
                Panel(
                    "Ingest delay",
                    "From an entry's arrival in the stream to its commit.",
                    "s",
                    quantiles("godot_ingest_delay_seconds"),
                    width=12,
                    runbook="ingest-slow",
                ),
            ],
        ),
        Row(
            "Is anything missing?",
            [
                Panel(
                    "Lost and unaccounted",
                    "What the audit cannot find: lost by name, or not even that.",
                    "none",
                    [
                        (
                            "max by (outcome) (godot_audit_records"
                            '{STREAM,outcome=~"lost|unaccounted|settling|in_stream"})',
                            "{{outcome}}",
                        )
                    ],
                    runbook="records-lost",
                ),
                Panel(
                    "Dropped by programs",
                    "Records that programs gave up before the stream had them.",
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
                Panel(
                    "Fill",
                    "How full the stream is with what is not settled, and Redis of its memory.",
                    "percentunit",
                    [
                        (
                            "max by (stream, group) (godot_group_backlog_entries{GROUP})"
                            " / on (stream) group_left ()"
                            " max by (stream) (godot_stream_limit_entries{STREAM})",
                            "unsettled of {{stream}}",
                        ),
                        (
                            "max(godot_redis_memory_bytes{STREAM})"
                            " / (max(godot_redis_memory_limit_bytes{STREAM}) > 0)",
                            "memory of Redis",
                        ),
                    ],
                    runbook="redis-full",
                ),
            ],
        ),
    ],
)
