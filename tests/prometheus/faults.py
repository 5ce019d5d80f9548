"""Faults, and which alerts each of them makes fire: these, all of these, and no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from tests.prometheus.programs import Failed, Prometheus
from tests.prometheus.running import Running

FIRE_S = 180.0
RESOLVE_S = 420.0
QUIET_S = 10.0  # without an alert, until everything counts as resolved
STANDSTILL = frozenset({"GodotHeartbeatLate", "GodotGroupStalled", "GodotWorkersBehind"})


class Fault(NamedTuple):
    """What is done for as long as the context lasts, and what has to fire."""

    name: str
    during: Callable[[Running], AbstractContextManager[None]]
    fires: frozenset[str]


@contextmanager
def worker_stopped(here: Running) -> Iterator[None]:
    with here.without("worker-1"):
        yield


@contextmanager
def postgres_stopped(here: Running) -> Iterator[None]:
    with here.without("postgresql"):
        yield


@contextmanager
def overflow(here: Running) -> Iterator[None]:
    """More comes than the stream holds while nobody reads it."""
    with here.without("worker-1"):
        here.flood()
        yield


@contextmanager
def poison(here: Running) -> Iterator[None]:
    here.poison()
    yield
    here.godot("dlq", "drop", "--all", "--yes")


FAULTS = (
    Fault("worker stopped", worker_stopped, STANDSTILL | {"GodotNoWorkers"}),
    Fault(
        "PostgreSQL stopped",
        postgres_stopped,
        STANDSTILL | {"GodotBackendDown", "GodotWorkerErrors"},
    ),
    Fault(
        "overflow",
        overflow,
        STANDSTILL | {"GodotNoWorkers", "GodotLossNear", "GodotRecordsLost"},
    ),
    Fault("poison", poison, frozenset({"GodotDeadLetters"})),
)


def inject(fault: Fault, here: Running, watched: Prometheus) -> str:
    """Inject one fault; return how long firing and resolving took.

    Raises Failed for an alert that is missing or one too many.
    """
    seen: set[str] = set()

    def look() -> set[str]:
        now = watched.firing()
        seen.update(now)
        if seen - fault.fires:
            raise Failed(f"{fault.name}: {sorted(seen - fault.fires)} fired, too")
        return now

    with fault.during(here):
        began = time.monotonic()
        look()
        while seen != fault.fires:
            if time.monotonic() - began > FIRE_S:
                raise Failed(f"{fault.name}: {sorted(fault.fires - seen)} did not fire")
            time.sleep(0.5)
            look()
        fired_s = time.monotonic() - began
    mended = quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        firing = look()
        if firing:
            quiet_since = time.monotonic()
            if quiet_since - mended > RESOLVE_S:
                raise Failed(f"{fault.name}: {sorted(firing)} did not resolve")
        time.sleep(0.5)
    return (
        f"{fault.name}: {len(seen)} alerts fired within {fired_s:.0f} s"
        f" and resolved within {quiet_since - mended:.0f} s: {', '.join(sorted(seen))}"
    )
