"""One run: load, faults at random moments, then healing, draining and judging.

Faults come in a shuffled order, all of them before any comes again, up to three at a time when they
need different parts of the system. The seed decides order, lengths and contents; when exactly a
process is hit depends on the machine, so a seed repeats a run's plan and not its every microsecond.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from godot import audit as audits
from godot.embedded.process import Child
from tests.chaos.faults import MATRIX, Fault, Scene, Skipped, Steps
from tests.chaos.fleet import ROOT
from tests.chaos.producers import Named, Specials, Thread, Wanderers
from tests.chaos.verdict import Findings, ProgramReport, Totals, judge
from tests.chaos.world import World, wait_until

AT_ONCE = 3
DRAIN_PATIENCE_S = 90.0
TICK_S = 0.02


class Load(NamedTuple):
    """How much is written: threads and programs, and records a second of each."""

    named: int = 4
    named_rate: float = 120.0
    programs: int = 2
    program_rate: float = 60.0
    wanderers: int = 1
    wanderer_pause_s: float = 0.1


class Outcome(NamedTuple):
    """What a run came to."""

    injected: Counter[str]
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


class Sources:
    """Everything that writes, started together and stopped together."""

    def __init__(self, world: World, seed: str, load: Load) -> None:
        settings = world.settings()
        self._world = world
        self._seed = seed
        self.specials = Specials(settings, world.book, seed)
        self.threads: list[Thread] = [
            self.specials,
            *(
                Wanderers(settings, world.book, seed, pause_s=load.wanderer_pause_s)
                for _ in range(load.wanderers)
            ),
            *(
                Named(
                    f"service-{i}",
                    settings,
                    world.book,
                    seed,
                    rate=load.named_rate,
                    announce=i % 2 == 0,
                )
                for i in range(load.named)
            ),
        ]
        self.programs = [
            self._program(f"program-{i}", load.program_rate) for i in range(load.programs)
        ]
        for thread in self.threads:
            thread.start()

    def _program(self, name: str, rate: float) -> Child:
        world = self._world
        return Child(
            name,
            [
                *(sys.executable, "-m", "tests.chaos.program"),
                *(name, str(rate), self._seed, str(self._report(name))),
            ],
            log=world.folder / f"{name}.log",
            cwd=ROOT,
            env={
                **world.environ,
                "PATH": os.defpath,
                "GODOT_REDIS_URL": world.redis_url,
            },
        )

    def _report(self, name: str) -> Path:
        return self._world.folder / f"{name}.json"

    def stop(self, patience_s: float) -> bool:
        """Let everyone deliver what they have; False when somebody could not in time."""
        for program in self.programs:
            program.ask_to_stop()
        for thread in self.threads:
            thread.stop.set()
        deadline = time.monotonic() + patience_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        done = not any(thread.is_alive() for thread in self.threads)
        for thread in self.threads:
            thread.abort.set()
        for program in self.programs:
            done = program.wait(max(1.0, deadline - time.monotonic())) == 0 and done
        return done

    def reports(self) -> list[ProgramReport]:
        found = []
        for program in self.programs:
            path = self._report(program.name)
            said = json.loads(path.read_text("utf-8")) if path.exists() else {}
            found.append(
                ProgramReport(
                    program.name,
                    int(said.get("producer", "0"), 16),
                    said.get("logged", 0),
                    said.get("delivered", False),
                    sum(said.get("dropped", {}).values()),
                )
            )
        return found


def start(world: World, seed: str, load: Load) -> Sources:
    """Start the workers, and the load once one of them works."""
    world.fleet.tend()
    wait_until(lambda: any(slot.works for slot in world.fleet.slots), 30)
    return Sources(world, seed, load)


def run(
    world: World,
    *,
    seed: int,
    seconds: float,
    names: Sequence[str] = (),
    load: Load = Load(),  # noqa: B008  # frozen
    calm_s: float = 1.5,
    patience_s: float = DRAIN_PATIENCE_S,
    verbose: bool = False,
) -> Outcome:
    """Run everything once; `names` chooses faults, none is all but those that come alone."""
    began = time.monotonic()
    rng = random.Random(seed)
    sources = start(world, str(seed), load)
    scene = Scene(world, rng, sources.specials)
    faults = [MATRIX[n] for n in names] or [f for f in MATRIX.values() if not f.alone]
    watch(world, time.monotonic() + calm_s)
    injected = _inject(scene, faults, time.monotonic() + seconds, verbose)
    world.heal()
    healed = time.monotonic()
    stopped = sources.stop(patience_s)
    drained = _drain(world, healed + patience_s) and stopped
    drain_seconds = time.monotonic() - healed
    counted = not any(fault.alone for fault in faults)
    findings, totals, audit = judge(world, sources.reports(), drained=drained, counted=counted)
    took = time.monotonic() - began
    starts = world.fleet.starts
    return Outcome(injected, findings, totals, audit, took, drain_seconds, starts)


def watch(world: World, until: float) -> None:
    """Keep the workers up until then."""
    while time.monotonic() < until:
        world.fleet.tend()
        time.sleep(TICK_S)


def _drain(world: World, deadline: float) -> bool:
    while not world.settled():
        if time.monotonic() > deadline:
            return False
        world.fleet.tend()
        time.sleep(0.05)
    return True


def _inject(scene: Scene, faults: Sequence[Fault], end: float, verbose: bool) -> Counter[str]:
    """Inject until the end, and let the faults that run then come to theirs."""
    injected: Counter[str] = Counter()
    running: list[Running] = []
    deck: list[Fault] = []
    next_start = 0.0
    while running or time.monotonic() < end:
        scene.world.fleet.tend()
        now = time.monotonic()
        if now < end and now >= next_start and len(running) < AT_ONCE and faults:
            deck = deck or scene.rng.sample(list(faults), len(faults))
            chosen = _free(deck, running)
            if chosen is not None:
                deck.remove(chosen)
                _say(verbose, f"{end - now:6.1f} s left: {chosen.name}")
                running.append(Running(chosen, chosen.steps(scene), now))
                next_start = now + scene.rng.uniform(0.0, 0.6)
        running = [kept for item in running if (kept := _advance(item, injected, verbose))]
        time.sleep(TICK_S)
    return injected


def _free(deck: Sequence[Fault], running: Sequence[Running]) -> Fault | None:
    taken = {need for item in running for need in item.fault.needs}
    return next((fault for fault in deck if not fault.needs & taken), None)


def _advance(item: Running, injected: Counter[str], verbose: bool) -> Running | None:
    if time.monotonic() < item.due:
        return item
    try:
        return item._replace(due=time.monotonic() + next(item.steps))
    except StopIteration:
        injected[item.fault.name] += 1
    except Skipped as exc:
        _say(verbose, f"skipped {item.fault.name}: {exc}")
    return None


def _say(verbose: bool, text: str) -> None:
    if verbose:
        print(text, file=sys.stderr, flush=True)


def table(outcome: Outcome) -> Iterator[str]:
    """Yield the table and the findings, one line each."""
    width = max(len(name) for name in MATRIX)
    yield f"{'fault':<{width}}  injected"
    for name in MATRIX:
        if name in outcome.injected:
            yield f"{name:<{width}}  {outcome.injected[name]:>8}"
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
        f"{outcome.seconds:.0f} s, {sum(outcome.injected.values())} faults,"
        f" {outcome.worker_starts} worker starts, drained {outcome.drain_seconds:.1f} s after"
        " healing"
    )
    yield from outcome.findings.lines()
    yield "OK" if outcome.ok else "VIOLATED"
