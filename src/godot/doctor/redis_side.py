"""Redis: whether it keeps what it was given, and lets us do what we need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from godot.doctor.result import Result
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream import diagnosis, snapshot
from godot.stream.diagnosis import RedisFacts
from godot.stream.snapshot import StreamSnapshot
from godot.wording import count

OLDEST = {"redis": (7, 0), "valkey": (8, 0)}
SLOW_MS = 20.0  # a batch takes a few round trips
SKEW_MS, FAR_SKEW_MS = 1_000.0, 60_000.0
ABANDONED_MS = 3_600_000
MANY = 10


def examine(settings: Settings) -> Iterator[Result]:
    """Yield the results, or that Redis is away."""
    try:
        facts = diagnosis.read(settings)
        now = snapshot.take(settings)
    except GodotError as exc:
        yield Result("GD-2001", "failed", str(exc), "godot explain GD-2001")
        return
    yield _server(facts)
    yield _policy(facts)
    yield _persistence(facts)
    yield _rights(facts)
    yield clock("Redis", facts.clock_ahead_ms)
    yield _consumers(now)
    if facts.odd_announcements:
        text = f"{count(facts.odd_announcements, 'announcement')} of producers cannot be read"
        yield Result("GD-5016", "warning", text, f"see: HGETALL {settings.stream}:producers")


def _server(facts: RedisFacts) -> Result:
    name, _, number = (facts.version or "").partition(" ")
    text = f"{facts.version or 'Redis'} answers in {facts.answer_ms:.1f} ms"
    found = re.match(r"(\d+)\.(\d+)", number)
    oldest = OLDEST.get(name)
    if facts.cluster:
        return Result("GD-5010", "failed", f"{text}, as a cluster", "use a server that is none")
    if found is None or oldest is None:
        return Result("GD-5010", "unknown", f"{text}; its version is not told", "grant +info")
    if tuple(map(int, found.groups())) < oldest:
        needed = ".".join(map(str, oldest))
        return Result("GD-5010", "failed", text, f"upgrade it: {name} {needed} or newer is needed")
    if facts.answer_ms > SLOW_MS:
        return Result("GD-5010", "warning", text, "run workers closer to it")
    return Result("GD-5010", "ok", text)


def _policy(facts: RedisFacts) -> Result:
    if facts.policy is None:
        return Result("GD-5011", "unknown", "maxmemory-policy is not told", "grant +info")
    limit = facts.memory_limit_bytes
    said = f"maxmemory-policy is {facts.policy}"
    if facts.policy == "noeviction":
        return Result("GD-5011", "ok", said)
    fix = "CONFIG SET maxmemory-policy noeviction"
    if not limit:
        return Result("GD-5011", "warning", f"{said}: with a maxmemory it would evict", fix)
    return Result("GD-5011", "failed", f"{said}: the stream can be evicted", fix)


def _persistence(facts: RedisFacts) -> Result:
    if facts.last_save_failed:
        text = "Redis could not write to its disk the last time"
        return Result("GD-5012", "failed", text, "make room on its disk, then: BGSAVE")
    if facts.appendonly is None:
        return Result("GD-5012", "unknown", "appendonly is not told", "grant +info")
    if not facts.appendonly:
        text = "appendonly is off: a restart of Redis loses what is not stored yet"
        return Result("GD-5012", "warning", text, "CONFIG SET appendonly yes")
    return Result("GD-5012", "ok", "appendonly is on: a restart of Redis loses nothing")


def _rights(facts: RedisFacts) -> Result:
    if facts.refused is None:
        return Result("GD-5013", "unknown", "this login may not ask what it may do")
    if facts.refused:
        text = f"this login may not send {', '.join(facts.refused)}"
        step = f"ACL SETUSER … {' '.join('+' + name.lower() for name in facts.refused)}"
        return Result("GD-5013", "failed", text, step)
    return Result("GD-5013", "ok", "this login may do what programs and workers do")


def clock(whose: str, ahead_ms: float | None) -> Result:
    """Judge by how much a server's clock differs from ours."""
    if ahead_ms is None:
        return Result("GD-5014", "unknown", f"the time of {whose} is not told")
    side = "ahead" if ahead_ms > 0 else "behind"
    text = f"the clock of {whose} is {abs(ahead_ms) / 1000:.1f} s {side}"
    if abs(ahead_ms) >= FAR_SKEW_MS:
        return Result("GD-5014", "failed", text, "set the clocks by NTP")
    if abs(ahead_ms) >= SKEW_MS:
        return Result("GD-5014", "warning", text, "set the clocks by NTP")
    return Result("GD-5014", "ok", f"the clock of {whose} agrees with ours")


def _consumers(now: StreamSnapshot) -> Result:
    abandoned = [one for one in now.group.consumers if one.idle_ms >= ABANDONED_MS]
    holding = sum(consumer.pending > 0 for consumer in abandoned)
    text = f"{count(len(abandoned), 'consumer')} silent for an hour"
    if holding:
        return Result("GD-5015", "warning", f"{text}, {holding} with entries", "godot claim")
    if len(abandoned) >= MANY:
        return Result("GD-5015", "warning", text, "godot consumers prune")
    return Result("GD-5015", "ok", text if abandoned else "no consumer is abandoned")
