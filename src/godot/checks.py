"""What a monitoring system asks now and then: one thing, held against two limits.

Nothing that could not be looked at is called good: that is `unknown`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from dewey_logs import DeweyError
from godot import snapshot
from godot.errors import GodotError
from godot.findings import SOON_S
from godot.settings import Settings
from godot.wording import age, count

if TYPE_CHECKING:
    from dewey_logs import Store

Level: TypeAlias = Literal["ok", "warning", "critical", "unknown"]

HEARTBEAT = "godot.heartbeat"  # the component of the records that prove the path
POLL_S = 0.05


class Verdict(msgspec.Struct, frozen=True):
    """The answer: a line for a person, and the figure that was held against the limits.

    `value`, `warn` and `crit` are in `unit` (s, %, or nothing for a count); `figures` are others
    worth recording, in the same way None where unknown.
    """

    check: str
    level: Level
    text: str
    value: float | None = None
    unit: str = ""
    warn: float | None = None
    crit: float | None = None
    figures: Mapping[str, float | None] = {}


def stream(settings: Settings, warn: float, crit: float) -> Verdict:
    """Hold the share of the stream's limit that is not stored yet against two limits, in percent.

    Or the share of Redis's memory, where that is higher. A stream is full most of the time: what
    is stored stays there until it is trimmed, and costs nothing.
    """
    now = snapshot.take(settings, without_store=True)
    if now.stream is None:
        return _unknown("stream", now.stream_problem)
    look = now.stream
    share = look.backlog / look.limit
    text = f"{look.backlog:,} of at most {look.limit:,} entries ({share:.0%}) are not stored"
    if look.memory_bytes and look.memory_limit_bytes:
        used = look.memory_bytes / look.memory_limit_bytes
        text += f", Redis uses {used:.0%} of its memory"
        share = max(share, used)
    level = _held_against(share * 100, warn, crit)
    if now.loss_in_s is not None:
        soon = now.loss_in_s <= SOON_S
        level = "critical" if soon or level == "critical" else "warning"
        text += f", unread records are lost in {age(int(now.loss_in_s * 1000))}"
    figures = {
        "entries": float(look.entries),
        "backlog": float(look.backlog),
        "loss_in_s": now.loss_in_s,
        "added_per_s": None if now.rate is None else now.rate.added_per_s,
    }
    return Verdict("stream", level, text, share * 100, "%", warn, crit, figures)


def group(settings: Settings, warn_s: float, crit_s: float) -> Verdict:
    """Hold the age of the oldest record that waits against two limits, and the group's state."""
    now = snapshot.take(settings, without_store=True)
    if now.group is None:
        return _unknown("group", now.stream_problem)
    found = now.group
    waiting_s = found.waiting_ms / 1000
    level = _held_against(waiting_s, warn_s, crit_s)
    if found.state in ("stalled", "no-consumer"):
        level = "critical"
    elif level == "ok" and found.state != "ok":
        level = "warning" if found.state == "behind" else "unknown"
    waits = f"the oldest record waits for {age(found.waiting_ms)}" if waiting_s else "nothing waits"
    text = f"{found.name} is {found.state}, {waits}"
    figures = {
        "undelivered": None if found.undelivered is None else float(found.undelivered),
        "pending": float(found.pending),
        "consumers": float(found.active),
    }
    return Verdict("group", level, text, waiting_s, "s", warn_s, crit_s, figures)


def store(opened: Store, warn_s: float, crit_s: float) -> Verdict:
    """Hold the time in which the store answers against two limits."""
    began = time.monotonic()
    try:
        opened.check()
        totals = opened.totals()
    except DeweyError as exc:
        return Verdict("store", "critical", str(exc), None, "s", warn_s, crit_s)
    took_s = time.monotonic() - began
    figures = {"rows": float(totals.rows), "bytes": float(totals.bytes)}
    text = f"{count(totals.rows, 'record')}, answered in {took_s * 1000:.0f} ms"
    level = _held_against(took_s, warn_s, crit_s)
    return Verdict("store", level, text, took_s, "s", warn_s, crit_s, figures)


def dead_letters(opened: Store, warn: float, crit: float) -> Verdict:
    """Hold the number of open dead letters against two limits."""
    try:
        reasons = opened.dead_letter_reasons()
    except DeweyError as exc:
        return _unknown("dlq", str(exc))
    n = sum(reason.open for reason in reasons)
    text = f"{count(n, 'dead letter')} open"
    if reasons:
        text += f", mostly: {reasons[0].reason}"
    return Verdict("dlq", _held_against(n, warn, crit), text, n, "", warn, crit)


def heartbeat(
    settings: Settings,
    opened: Store,
    warn_s: float,
    crit_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Send a record and wait until it is stored: the whole path, as a program's records go it."""
    from dewey_logs import LogFilter  # here, because no other check needs what they bring along
    from godot.delivery import Delivery

    trace_id = f"heartbeat-{secrets.token_hex(8)}"
    began = clock()
    try:
        with Delivery(settings) as delivery:
            record = delivery.make(HEARTBEAT, "heartbeat", trace_id=trace_id)
            delivery.send([record])
        wanted = LogFilter(trace_id=trace_id, component=(HEARTBEAT,), limit=1)
        while not opened.query(wanted).rows:
            if clock() - began > crit_s:
                text = f"a record was sent and is not stored after {age(int(crit_s * 1000))}"
                return Verdict("heartbeat", "critical", text, None, "s", warn_s, crit_s)
            sleep(POLL_S)
    except (GodotError, DeweyError) as exc:
        return Verdict("heartbeat", "critical", str(exc), None, "s", warn_s, crit_s)
    took_s = clock() - began
    text = f"a record was stored {took_s:.2f} s after it was sent"
    level = _held_against(took_s, warn_s, crit_s)
    return Verdict("heartbeat", level, text, took_s, "s", warn_s, crit_s)


def _unknown(check: str, why: str | None) -> Verdict:
    return Verdict(check, "unknown", why or "nobody could look")


def _held_against(value: float, warn: float, crit: float) -> Level:
    return "critical" if value >= crit else "warning" if value >= warn else "ok"
