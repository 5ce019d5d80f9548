"""How much memory every process of a run holds, read from /proc."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.chaos.processes import children
from tests.chaos.world import World

Sample = Mapping[str, "Held"]


class Held(NamedTuple):
    """What one process holds, and which one it is."""

    pid: int
    megabytes: float


def resident_mb(pid: int) -> float:
    """Return what a process really holds; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError):
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return 0.0


def private_mb(pid: int) -> float:
    """Return what a process shares with nobody: PostgreSQL's backends share their buffers."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        return (
            sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))
            / 1024
        )
    return 0.0


def of(world: World, programs: Mapping[str, int]) -> dict[str, Held]:
    """Return megabytes by process."""
    assert world.valkey.child is not None
    assert world.postgres.child is not None
    redis, postmaster = world.valkey.child.pid, world.postgres.child.pid
    found = {
        name: Held(pid, resident_mb(pid))
        for name, pid in (*sorted(world.fleet.pids().items()), ("redis", redis))
    }
    private = sum(private_mb(pid) for pid in (postmaster, *children(postmaster)))
    found["postgresql, private, all"] = Held(postmaster, private)
    found |= {name: Held(pid, resident_mb(pid)) for name, pid in programs.items()}
    return found


def lines(before: Sample, after: Sample) -> list[str]:
    """Return one readable line for each place that was taken at both times."""
    found = []
    for name in before:
        if name in after:
            then, now = before[name], after[name]
            change = f"{now.megabytes - then.megabytes:+.1f}"
            if then.pid != now.pid:
                change = "another process"
            found.append(
                f"{name:<26} {then.megabytes:7.1f} MB -> {now.megabytes:7.1f} MB  {change}"
            )
    return found
