"""The whole path as a document for programs; see godot.snapshot for where it comes from.

A server that is away costs its own part of the answer and nothing else; what nobody could tell is
null, never 0.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from godot.findings import findings
from godot.snapshot import Snapshot


def as_document(found: Snapshot) -> dict[str, object]:
    """Return the answer for programs; what is unknown is null."""
    now, store = found.stream, found.store
    return {
        "state": found.state,
        "waiting_ms": found.waiting_ms,
        "findings": [msgspec.to_builtins(one) for one in findings(found)],
        "problems": list(found.problems),
        "stream": now
        and {
            "name": now.stream,
            "server": now.server_version,
            "exists": now.exists,
            "entries": now.entries,
            "limit": now.limit,
            "added": now.added,
            "memory_bytes": now.memory_bytes,
            "memory_limit_bytes": now.memory_limit_bytes,
            "fill_ratio": now.fill_ratio,
            "bytes": now.bytes,
            "added_per_s": found.rate and found.rate.added_per_s,
            "buffer_s": found.buffer_s,
            "loss_in_s": found.loss_in_s,
        },
        "group": now
        and {
            "name": now.group.name,
            "exists": now.group.exists,
            "undelivered": now.group.undelivered,
            "pending": now.group.pending,
            "overrun": now.group.overrun,
            "settled_per_s": now.group.settled_per_s,
            "consumers": len(now.group.consumers),
            "active": now.group.active,
        },
        "other_groups": now and dict(Counter(group.state for group in now.others)),
        "store": store and msgspec.to_builtins(store),
        "producers": now
        and [{**msgspec.to_builtins(one), "producer": one.field} for one in now.producers],
    }
