"""One run: load, faults at random moments, then healing, draining and judging.

Faults come in a shuffled order, all of them before any comes again, up to three at a time when they
need different parts of the system. The seed decides order, lengths and contents; when exactly a
process is hit depends on the machine, so a seed repeats a run's plan and not its every microsecond.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from godot import audit as audits
from tests.chaos.faults import MATRIX, Fault, Impossible, Scene, Skipped, Steps
from tests.chaos.findings import Findings, Totals
from tests.chaos.sources import Load, Sources
from tests.chaos.verdict import judge
from tests.chaos.world import World, wait_until

DRAIN_PATIENCE_S = 90.0
TICK_S = 0.02


class Plan(NamedTuple):
    """How densely faults follow each other: mean distance of their starts, and how many at once."""

    every_s: float = 0.3
    at_once: int = 3


DENSE = Plan()


class Injected:
    """How often each fault was injected, why others were not, and what went wrong with it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.impossible: dict[str, str] = {}
        self.failures: list[tuple[str, str]] = []  # kind, example


class Outcome(NamedTuple):
    """What a run came to."""

    injected: Injected
    findings: Findings
    totals: Totals
    audit: audits.Audit
    seconds: float
    drain_seconds: float
    worker_starts: int

    @property
    def ok(self) -> bool:
        return not self.findings.counts and not self.totals.unaccounted


class Running(NamedTuple):
    fault: Fault
    steps: Steps
    due: float


def start(world: World, seed: str, load: Load, prefix: str = "") -> Sources:
    """Start the workers, and the load once one of them works."""
    world.fleet.tend()
    wait_until(lambda: any(slot.works for slot in world.fleet.slots), 30)
    return Sources(world, seed, load, prefix)


def run(
    world: World,
    *,
    seed: int,
    seconds: float,
    names: Sequence[str] = (),
    load: Load = Load(),  # noqa: B008  # frozen
    calm_s: float = 1.5,
    patience_s: float = DRAIN_PATIENCE_S,
    complete_s: float = 0.0,
    verbose: bool = False,
) -> Outcome:
    """Run everything once; `names` chooses faults, none is all but those that come alone.

    `complete_s`: how much longer it may take until each of them has come once.
    """
    began = time.monotonic()
    rng = random.Random(seed)
    sources = start(world, str(seed), load)
    scene = Scene(world, rng, sources.specials)
    faults = [MATRIX[n] for n in names] or [f for f in MATRIX.values() if not f.alone]
    watch(world, time.monotonic() + calm_s)
    end = time.monotonic() + seconds
    injected = inject(scene, faults, end, complete_s=complete_s, verbose=verbose)
    return finish(world, sources, injected, began=began, patience_s=patience_s)


def finish(
    world: World,
    sources: Sources,
    injected: Injected,
    *,
    began: float,
    patience_s: float = DRAIN_PATIENCE_S,
) -> Outcome:
    """Heal, let everyone deliver, drain, and judge."""
    world.heal()
    healed = time.monotonic()
    stopped = sources.stop(patience_s)
    drained = drain(world, healed + patience_s) and stopped
    drain_seconds = time.monotonic() - healed
    counted = not any(MATRIX[name].alone for name in injected.counts)
    failures = [*injected.failures, *(("a producer ended", why) for why in sources.failures())]
    if world.users:
        failures += [("refused by Redis for want of a right", why) for why in world.denied()]
    findings, totals, audit = judge(
        world, sources.reports(), drained=drained, counted=counted, failures=failures
    )
    took = time.monotonic() - began
    starts = world.fleet.starts
    return Outcome(injected, findings, totals, audit, took, drain_seconds, starts)


def watch(world: World, until: float) -> None:
    """Keep the workers up until then."""
    while time.monotonic() < until:
        world.fleet.tend()
        time.sleep(TICK_S)


def drain(world: World, deadline: float) -> bool:
    while not world.settled():
        if time.monotonic() > deadline:
            return False
        world.fleet.tend()
        time.sleep(0.05)
    return True


def inject(
    scene: Scene,
    faults: Sequence[Fault],
    end: float,
    *,
    plan: Plan = DENSE,
    complete_s: float = 0.0,
    verbose: bool = False,
) -> Injected:
    """Inject until the end, and let the faults that run then come to theirs.

    Those that have not come by then may still come once, for as long as `complete_s`.
    """
    injected = Injected()
    running: list[Running] = []
    deck: list[Fault] = []
    next_start = 0.0

    def missing() -> list[Fault]:
        here = {item.fault.name for item in running}
        done = injected.counts.keys() | injected.impossible.keys() | here
        return [fault for fault in faults if fault.name not in done]

    try:
        while running or (now := time.monotonic()) < end or (now < end + complete_s and missing()):
            scene.world.fleet.tend()
            now = time.monotonic()
            if now >= next_start and len(running) < plan.at_once:
                if now >= end:
                    deck = missing() if now < end + complete_s else []
                elif not deck:
                    deck = scene.rng.sample(list(faults), len(faults))
                chosen = _free(deck, running)
                if chosen is not None:
                    deck.remove(chosen)
                    _say(verbose, f"{end - now:6.1f} s left: {chosen.name}")
                    running.append(Running(chosen, chosen.steps(scene), now))
                    next_start = now + scene.rng.uniform(0.0, 2 * plan.every_s)
            running = [kept for item in running if (kept := _advance(item, injected, verbose))]
            time.sleep(TICK_S)
    finally:
        for item in running:  # we were interrupted: what it holds must not outlive its world
            with contextlib.suppress(Exception):
                item.steps.close()
    return injected


def _free(deck: Sequence[Fault], running: Sequence[Running]) -> Fault | None:
    taken = {need for item in running for need in item.fault.needs}
    return next((fault for fault in deck if not fault.needs & taken), None)


def _advance(item: Running, injected: Injected, verbose: bool) -> Running | None:
    if time.monotonic() < item.due:
        return item
    try:
        return item._replace(due=time.monotonic() + next(item.steps))
    except StopIteration:
        injected.counts[item.fault.name] += 1
    except Skipped as exc:
        injected.skipped[item.fault.name] = str(exc)
        _say(verbose, f"skipped {item.fault.name}: {exc}")
    except Impossible as exc:
        injected.impossible[item.fault.name] = str(exc)
    except Exception as exc:  # noqa: BLE001  # a finding, about the system or the fault
        injected.failures.append(failure(item.fault, exc))
        _say(verbose, f"failed {item.fault.name}: {exc!r}")
    return None


def failure(fault: Fault, exc: Exception) -> tuple[str, str]:
    """Return the finding that an exception of a fault is."""
    return f"a fault did not come to its end: {fault.name}", f"{type(exc).__name__}: {exc}"


def _say(verbose: bool, text: str) -> None:
    if verbose:
        print(text, file=sys.stderr, flush=True)


def table(outcome: Outcome) -> Iterator[str]:
    """Yield the table and the findings, one line each."""
    width = max(len(name) for name in MATRIX)
    yield f"{'fault':<{width}}  injected"
    injected = outcome.injected
    for name in MATRIX:
        if name in injected.counts:
            yield f"{name:<{width}}  {injected.counts[name]:>8}"
        elif name in injected.impossible:
            yield f"{name:<{width}}  {'-':>8}  impossible here: {injected.impossible[name]}"
        elif name in injected.skipped:
            yield f"{name:<{width}}  {'-':>8}  {injected.skipped[name]}"
    totals = outcome.totals
    yield ""
    yield " | ".join(f"{name} {getattr(totals, name):,}" for name in totals.__struct_fields__)
    found = outcome.audit.total
    yield (
        f"audit: announced {found.announced:,}, stored {found.stored:,}, came twice"
        f" {found.duplicates:,}, rejected {found.rejected:,}, dropped {found.dropped:,},"
        f" lost {found.lost:,} in {len(outcome.audit.ranges):,} ranges,"
        f" unaccounted {found.unaccounted:,}"
    )
    yield (
        f"{outcome.seconds:.0f} s, {injected.counts.total()} faults,"
        f" {outcome.worker_starts} worker starts, drained {outcome.drain_seconds:.1f} s after"
        " healing"
    )
    yield from outcome.findings.lines()
    yield "OK" if outcome.ok else "VIOLATED"
