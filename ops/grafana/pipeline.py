"""Where on the path something waits, and what for."""

from __future__ import annotations

from ops.grafana.form import Dashboard, Panel, Row, quantiles, rate

WAITING = "godot_group_oldest_undelivered_timestamp_seconds{GROUP}"
PENDING = "godot_group_oldest_pending_timestamp_seconds{GROUP}"

PIPELINE = Dashboard(
    "pipeline",
    "Godot / Pipeline",
    [
        Row(
            "Does the group keep up?",
            [
                Panel(
                    "Oldest entry that waits",
                    "For its first delivery, or for its acknowledgement; nothing while none waits.",
                    "s",
                    [
                        (f"time() - min by (stream, group) ({WAITING})", "undelivered {{group}}"),
                        (f"time() - min by (stream, group) ({PENDING})", "pending {{group}}"),
                    ],
                    runbook="workers-behind",
                ),
                Panel(
                    "Entries that wait",
                    "Undelivered ones are left out while the server cannot count them.",
                    "none",
                    [
                        (
                            "max by (stream, group) (godot_group_undelivered_entries{GROUP})",
                            "undelivered {{group}}",
                        ),
                        (
                            "max by (stream, group) (godot_group_pending_entries{GROUP})",
                            "pending {{group}}",
                        ),
                    ],
                    runbook="pending-old",
                ),
                Panel(
                    "Consumers",
                    "One for each worker, and those of dead ones; active: heard of lately.",
                    "none",
                    [
                        (
                            "max by (stream, group) (godot_group_consumers{GROUP})",
                            "known to {{group}}",
                        ),
                        (
                            "max by (stream, group) (godot_group_active_consumers{GROUP})",
                            "active in {{group}}",
                        ),
                    ],
                ),
            ],
        ),
        Row(
            "What do workers spend their time on?",
            [
                Panel(
                    "Time in each stage",
                    "Seconds a second, of all workers together.",
                    "percentunit",
                    [(rate("godot_worker_stage_duration_seconds_sum", "stage"), "{{stage}}")],
                ),
                Panel(
                    "Duration of a stage",
                    "Of one batch.",
                    "s",
                    quantiles("godot_worker_stage_duration_seconds", "stage"),
                ),
                Panel(
                    "Records in a batch",
                    "How many one transaction stores; fewer at most while the store is slow.",
                    "none",
                    [
                        *quantiles("godot_worker_batch_records"),
                        ("min(godot_worker_at_once_records{JOB})", "at most"),
                    ],
                ),
            ],
        ),
        Row(
            "What goes wrong?",
            [
                Panel(
                    "Failures",
                    "By stage; each is tried again.",
                    "ops",
                    [(rate("godot_worker_errors_total", "stage"), "{{stage}}")],
                    runbook="worker-errors",
                ),
                Panel(
                    "Entries out of the ordinary",
                    "Taken over from others, trimmed while pending, settled by a peer meanwhile.",
                    "ops",
                    [
                        (rate("godot_worker_reclaimed_entries_total"), "reclaimed"),
                        (rate("godot_worker_trimmed_entries_total"), "trimmed"),
                        (rate("godot_worker_ack_missing_entries_total"), "settled by a peer"),
                        (rate("godot_worker_made_room_entries_total"), "removed to make room"),
                    ],
                    runbook="trimmed-pending",
                ),
                Panel(
                    "Servers that do not answer",
                    "1 while a process reaches a server, 0 while not.",
                    "none",
                    [
                        (
                            "min by (backend, role) (godot_backend_up{JOB})",
                            "{{backend}} for {{role}}",
                        ),
                        (
                            "1 - max(godot_worker_breaker_open{JOB})",
                            "no worker waits for the store",
                        ),
                    ],
                    runbook="backend-down",
                ),
            ],
        ),
        Row(
            "What does the store look like?",
            [
                Panel(
                    "Size",
                    "Of the log on disk.",
                    "bytes",
                    [("max by (kind) (godot_store_bytes{JOB})", "{{kind}}")],
                ),
                Panel(
                    "Records",
                    "As PostgreSQL estimates.",
                    "none",
                    [("max(godot_store_records{JOB})", "stored")],
                ),
                Panel(
                    "Days",
                    "How far back records reach, how far ahead partitions do, and since when"
                    " maintenance has not come to its end.",
                    "s",
                    [
                        (
                            "time() - min(godot_store_oldest_record_timestamp_seconds{JOB})",
                            "oldest record",
                        ),
                        (
                            "min(godot_store_partition_horizon_timestamp_seconds{JOB}) - time()",
                            "partitions ahead",
                        ),
                        (
                            "time() - max(godot_retention_last_success_timestamp_seconds{JOB} > 0)",
                            "maintenance",
                        ),
                    ],
                    runbook="partition-missing",
                ),
            ],
        ),
    ],
)
