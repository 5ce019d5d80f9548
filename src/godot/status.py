"""The whole path on one screen, and as a document; see godot.snapshot for where it comes from.

A server that is away costs its own part of the answer and nothing else; what nobody could tell is
shown as `?`, never as 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from godot.snapshot import Snapshot
from godot.stream.snapshot import StreamSnapshot
from godot.wording import age, count, size

SHOWN_PRODUCERS = 10
UNKNOWN = "?"


def as_document(found: Snapshot) -> dict[str, object]:
    """Return the answer for programs; what is unknown is null."""
    now, store = found.stream, found.store
    return {
        "state": found.state,
        "waiting_ms": found.waiting_ms,
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
        "store": store and msgspec.to_builtins(store),
        "producers": now
        and [{**msgspec.to_builtins(one), "producer": one.field} for one in now.producers],
    }


def as_lines(found: Snapshot) -> Iterator[str]:
    """Yield one screen for a person."""
    yield f"godot · {found.state}"
    yield from _stream_lines(found)
    store = found.store
    if store is None:
        yield f"STORE     {UNKNOWN}"
    else:
        about = "" if store.rows_exact else "about "
        span = f"{_date(store.oldest)} to {_date(store.newest)}" if store.oldest else "empty"
        yield (
            f"STORE     {about}{store.rows:,} records · {size(store.bytes)} · {span}"
            f" · {count(store.partitions, 'partition')}"
            f" · {count(store.rejected_open, 'dead letter')} open"
        )
    if found.stream is not None:
        yield from _producer_lines(found.stream)


def _stream_lines(found: Snapshot) -> Iterator[str]:
    now = found.stream
    if now is None:
        yield f"STREAM    {found.stream_name}   {UNKNOWN}"
        yield f"GROUP     {found.group_name}   {UNKNOWN}"
        return
    memory = UNKNOWN if now.memory_bytes is None else size(now.memory_bytes)
    limit = f" of {size(now.memory_limit_bytes)}" if now.memory_limit_bytes else ""
    yield (
        f"STREAM    {now.stream} · {now.entries:,} of {now.limit:,} entries"
        f" ({now.entries / now.limit:.0%}) · {memory}{limit}"
        f" · {now.server_version or UNKNOWN}"
    )
    yield f"          {_rate(found)}"
    group = now.group
    undelivered = UNKNOWN if group.undelivered is None else f"{group.undelivered:,}"
    waiting = f"waiting {age(group.waiting_ms)}" if group.waiting_ms else "nothing waits"
    oldest = ""
    if group.pending_since_ms is not None:
        oldest = f" (oldest {age(now.now_ms - group.pending_since_ms)})"
    name = group.name if group.exists else f"{group.name} (not made yet)"
    yield (
        f"GROUP     {name} · {waiting} · {undelivered} undelivered"
        f" · {group.pending:,} pending{oldest} · {count(group.active, 'worker')}"
    )


def _rate(found: Snapshot) -> str:
    """Say how fast records come, and how long the stream would bear that without a worker."""
    if found.rate is None:
        return UNKNOWN
    parts = [f"{found.rate.added_per_s:,.0f} records/s"]
    if found.buffer_s is not None:
        parts.append(f"holds {age(int(found.buffer_s * 1000))} without a worker")
    if found.loss_in_s is not None:
        parts.append(f"LOSES UNREAD RECORDS IN {age(int(found.loss_in_s * 1000))}")
    return " · ".join(parts)


def _producer_lines(now: StreamSnapshot) -> Iterator[str]:
    yield f"PRODUCERS {len(now.producers)}"
    newest = sorted(now.producers, key=lambda item: item.started_at, reverse=True)
    for item in newest[:SHOWN_PRODUCERS]:
        dropped = f" · {item.dropped:,} dropped" if item.dropped else ""
        yield (
            f"          {item.component} · {item.host}:{item.pid}"
            f" · {item.sent_sequence:,} sent{dropped}"
        )
    if len(newest) > SHOWN_PRODUCERS:
        yield f"          and {len(newest) - SHOWN_PRODUCERS} more: godot status -o json"


def _date(text: str | None) -> str:
    if text is None:
        return UNKNOWN
    return f"{datetime.fromisoformat(text).replace(tzinfo=UTC):%Y-%m-%d %H:%MZ}"
