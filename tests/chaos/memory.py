"""How much memory every process of a run holds, read from /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.chaos.faults.on_postgres import children
from tests.chaos.world import World


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


def of(world: World, programs: dict[str, int] | None = None) -> dict[str, float]:
    """Return megabytes by process."""
    assert world.valkey.child is not None
    assert world.postgres.child is not None
    found = {name: resident_mb(pid) for name, pid in sorted(world.fleet.pids().items())}
    found["redis"] = resident_mb(world.valkey.child.pid)
    postmaster = world.postgres.child.pid
    found["postgresql, private, all"] = sum(
        private_mb(pid) for pid in (postmaster, *children(postmaster))
    )
    for name, pid in (programs or {}).items():
        found[name] = resident_mb(pid)
    return found


def lines(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Return one readable line for each process that was there at both times."""
    return [
        f"{name:<26} {before[name]:7.1f} MB -> {after[name]:7.1f} MB"
        for name in before
        if name in after
    ]
