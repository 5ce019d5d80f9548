"""One look at the whole path: stream, group, store and producers, from whoever answers.

A server that is away costs its own part of the answer and nothing else; what nobody could tell is
shown as `?`, never as 0.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec

from dewey_logs import BadAddress, DeweyError, StoreTotals, open_store
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream import snapshot
from godot.stream.rate import Rate, buffer_seconds, loss_in_seconds, rate
from godot.stream.snapshot import StreamSnapshot

RATE_WINDOW_S = 0.2
BEHIND_MS = 5_000  # work that waits longer than this is worth a word
SHOWN_PRODUCERS = 10
UNKNOWN = "?"


class Status(msgspec.Struct, frozen=True):
    """What was found; a part is None when its server is away, `problems` says why."""

    stream_name: str
    group_name: str
    stream: StreamSnapshot | None
    store: StoreTotals | None
    problems: tuple[str, ...]
    rate: Rate | None = None

    @property
    def buffer_s(self) -> float | None:
        """How long the stream could hold if nothing were read any more; None: unknown, or ever."""
        if self.stream is None or self.rate is None:
            return None
        return buffer_seconds(self.stream.room, self.rate)

    @property
    def loss_in_s(self) -> float | None:
        """When trimming reaches unread entries, as things go; None: not in sight.

        Work in small batches looks like growth for moments, so this speaks only of a group that is
        behind.
        """
        if self.stream is None or self.rate is None or self.state in ("ok", "empty"):
            return None
        return loss_in_seconds(self.stream.room, self.stream.limit, self.rate)

    @property
    def unreachable(self) -> bool:
        return bool(self.problems)

    @property
    def waiting_ms(self) -> int | None:
        """How long the oldest entry waits that is not stored yet; None when none does."""
        now = self.stream
        if now is None:
            return None
        since = [at for at in (now.undelivered_since_ms, now.pending_since_ms) if at is not None]
        return max(0, now.now_ms - min(since)) if since else None

    @property
    def state(self) -> str:
        """ok, behind, no worker, empty (nothing was ever sent) or unknown."""
        now, waiting_ms = self.stream, self.waiting_ms
        if now is None:
            return "unknown"
        if not now.exists:
            return "empty"
        if not now.group_exists or not now.consumers:
            return "no worker"
        return "behind" if waiting_ms is not None and waiting_ms > BEHIND_MS else "ok"


def take(settings: Settings) -> Status:
    """Ask both servers at the same time; never raises for one that is away."""
    with ThreadPoolExecutor(2) as threads:
        stream = threads.submit(_stream, settings)
        store = threads.submit(_store, settings)
    look, found, problem = stream.result()
    problems = tuple(p for p in (problem, store.result()[1]) if p)
    return Status(settings.stream, settings.group, look, store.result()[0], problems, found)


def _stream(settings: Settings) -> tuple[StreamSnapshot | None, Rate | None, str | None]:
    """Look twice, since one look tells no rate; the store is asked meanwhile."""
    try:
        look = snapshot.take(settings)
        time.sleep(RATE_WINDOW_S)
        return look, rate(look.reading, snapshot.read_again(settings)), None
    except GodotError as exc:
        return None, None, f"stream: {exc}"


def _store(settings: Settings) -> tuple[StoreTotals | None, str | None]:
    if settings.dewey_url is None:
        return None, "store: DEWEY_URL is not set and no stack runs here"
    try:
        with open_store(
            settings.dewey_url,
            reader_url=settings.dewey_reader_url,
            token=settings.dewey_token,
        ) as store:
            return store.totals(), None
    except BadAddress:  # a wrong setting is no outage
        raise
    except DeweyError as exc:
        return None, f"store: {exc}"


def as_document(found: Status) -> dict[str, object]:
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
            "added_per_s": found.rate and found.rate.added_per_s,
            "buffer_s": found.buffer_s,
            "loss_in_s": found.loss_in_s,
        },
        "group": now
        and {
            "name": now.group,
            "exists": now.group_exists,
            "undelivered": now.undelivered,
            "pending": now.pending,
            "consumers": now.consumers,
        },
        "store": store and msgspec.to_builtins(store),
        "producers": now and [msgspec.to_builtins(producer) for producer in now.producers],
    }


def as_lines(found: Status) -> Iterator[str]:
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
            f" · {_count(store.partitions, 'partition')}"
            f" · {_count(store.rejected_open, 'dead letter')} open"
        )
    if found.stream is not None:
        yield from _producer_lines(found.stream)


def _stream_lines(found: Status) -> Iterator[str]:
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
    undelivered = UNKNOWN if now.undelivered is None else f"{now.undelivered:,}"
    waiting = "nothing waits" if found.waiting_ms is None else f"waiting {age(found.waiting_ms)}"
    oldest = ""
    if now.pending_since_ms is not None:
        oldest = f" (oldest {age(now.now_ms - now.pending_since_ms)})"
    group = now.group if now.group_exists else f"{now.group} (not made yet)"
    yield (
        f"GROUP     {group} · {waiting} · {undelivered} undelivered"
        f" · {now.pending:,} pending{oldest} · {_count(now.consumers, 'worker')}"
    )


def _rate(found: Status) -> str:
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


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def age(ms: int) -> str:
    """Return a duration in the two units that matter."""
    seconds = max(0, ms) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def size(count: int) -> str:
    """Return bytes in binary units."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _date(text: str | None) -> str:
    if text is None:
        return UNKNOWN
    return f"{datetime.fromisoformat(text).replace(tzinfo=UTC):%Y-%m-%d %H:%MZ}"
