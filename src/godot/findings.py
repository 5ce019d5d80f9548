"""What is wrong, by one snapshot: each finding with a code, how bad it is, and what to do next.

`status`, `check` and `doctor` say the same in the same words, because they take them from here. Of
groups only ours is judged: whether records are stored is decided there. What else reads the stream
is somebody else's, who may have left it; `godot groups` shows how each does, and whose it is asks
with GODOT_GROUP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from godot.snapshot import Snapshot
from godot.stream.groups import Group
from godot.stream.snapshot import StreamSnapshot
from godot.wording import age, count

Severity: TypeAlias = Literal["critical", "warning"]

MEMORY_HIGH = 0.9  # from there on workers remove what is settled
SOON_S = 900.0  # a loss that is nearer than this cannot wait for a person to be free


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, in a line; `godot explain CODE` says more."""

    code: str
    severity: Severity
    text: str
    next_step: str = ""


def findings(now: Snapshot) -> tuple[Finding, ...]:
    """Return what is wrong, the worst first; nothing of what nobody could look at but that."""
    found = [*_away(now), *_of_stream(now), *_of_store(now)]
    return tuple(sorted(found, key=lambda finding: finding.severity))  # c before w


def _away(now: Snapshot) -> Iterator[Finding]:
    if now.stream_problem is not None:
        yield Finding("GD-2001", "critical", now.stream_problem, "godot doctor")
    if now.store_problem is not None:
        yield Finding("GD-2003", "critical", now.store_problem, "godot doctor")


def _of_stream(now: Snapshot) -> Iterator[Finding]:
    stream = now.stream
    if stream is None:
        return
    yield from _of_group(stream.group)
    loss_s = now.loss_in_s
    if loss_s is not None:
        yield Finding(
            "GD-3201",
            "critical" if loss_s <= SOON_S else "warning",
            f"stream {stream.stream} is losing unread records"
            if loss_s == 0
            else f"stream {stream.stream} loses unread records in {age(int(loss_s * 1000))}",
            "godot worker, or a larger GODOT_MAXLEN",
        )
    yield from _of_memory(stream)


def _of_group(group: Group) -> Iterator[Finding]:
    waits = f"work waits for {age(group.waiting_ms)}"
    name = f"group {group.name}"
    if group.state == "stalled":
        text = f"{name} is stalled: {waits}, and nothing is finished"
        yield Finding("GD-3101", "critical", text, "godot doctor")
    elif group.state == "no-consumer":
        silent = f": none of {count(len(group.consumers), 'consumer')} was heard of lately"
        text = f"{name} has no worker{silent if group.consumers else ''}"
        if group.waiting_ms:
            yield Finding("GD-3102", "critical", f"{text}, {waits}", "godot worker")
        else:
            yield Finding("GD-3102", "warning", text, "godot worker")
    elif group.state == "behind":
        text = f"{name} is behind: {waits}, and less is finished than comes"
        yield Finding("GD-3103", "warning", text, "godot pending, or another godot worker")
    if group.overrun:
        text = f"{name} lost what was trimmed before it had it: {count(group.overrun, 'record')}"
        yield Finding("GD-3104", "critical", text, "godot audit")


def _of_memory(stream: StreamSnapshot) -> Iterator[Finding]:
    if not (stream.memory_bytes and stream.memory_limit_bytes):
        return
    share = stream.memory_bytes / stream.memory_limit_bytes
    if share >= MEMORY_HIGH:
        text = f"Redis uses {share:.0%} of its memory limit"
        holding = [group for group in stream.others if _holds_more(group, stream.group)]
        if holding:
            text += f"; what {count(len(holding), 'other group')} did not settle stays in it"
            yield Finding("GD-3202", "warning", text, "raise maxmemory, or see: godot groups")
        else:
            yield Finding("GD-3202", "warning", text, "raise maxmemory, or start a godot worker")


def _holds_more(other: Group, ours: Group) -> bool:
    """Say whether entries stay in a full Redis because of another group."""
    if other.waiting_since_ms is None:
        return False
    return ours.waiting_since_ms is None or other.waiting_since_ms < ours.waiting_since_ms


def _of_store(now: Snapshot) -> Iterator[Finding]:
    if now.store is not None and now.store.rejected_open:
        text = f"{count(now.store.rejected_open, 'dead letter')} open"
        yield Finding("GD-3301", "warning", text, "godot dlq")
