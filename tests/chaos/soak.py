"""`make soak`: a steady load for long, a fault every now and then, and what each process holds.

By default only faults that make Redis forget nothing: whatever is offered must then be stored. With
faults workers start anew, and only the line of a process that lived all the time says something
about growth; `--no-faults` is how that is measured.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
from collections.abc import Sequence

from tests.chaos import memory
from tests.chaos.faults import MATRIX, Fault, Scene
from tests.chaos.interruption import interruptible
from tests.chaos.sources import Load
from tests.chaos.storm import Outcome, Plan, finish, inject, start, table, watch
from tests.chaos.world import World, world

WARM_UP_S = 60.0
PATIENCE_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser("tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=500.0, help="of all programs together")
    parser.add_argument("--programs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=float, default=10.0, help="seconds from fault to fault")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="also faults that lose records")
    which.add_argument("--no-faults", action="store_true", help="none at all")
    parser.add_argument("--keep", action="store_true", help="keep the folder with every log")
    parser.add_argument("--verbose", action="store_true", help="say each fault as it comes")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    faults = [f for f in MATRIX.values() if not f.alone and (given.all or not f.loses)]
    load = Load(
        named=0, wanderers=0, programs=given.programs, program_rate=given.rate / given.programs
    )
    with world(
        keep=given.keep,
        workers=given.workers,
        calm=given.no_faults,
        reclaim_idle_ms=60_000 if given.no_faults else 2_000,
    ) as here:
        outcome = soak(
            here,
            load,
            [] if given.no_faults else faults,
            seed=given.seed,
            seconds=given.minutes * 60,
            plan=Plan(every_s=given.every, at_once=1),
            verbose=given.verbose,
        )
        if given.keep:
            print(f"folder {here.folder}")
    print("\n".join(["", *table(outcome)]))
    return 0 if outcome.ok else 1


def soak(
    here: World,
    load: Load,
    faults: Sequence[Fault],
    *,
    seed: int,
    seconds: float,
    plan: Plan,
    verbose: bool,
) -> Outcome:
    """Run the load, print what memory became of it, and return the rest."""
    began = time.monotonic()
    sources = start(here, str(seed), load)
    scene = Scene(here, random.Random(seed), sources.specials)
    programs = {program.name: program.pid for program in sources.programs}
    end = time.monotonic() + seconds
    watch(here, time.monotonic() + min(WARM_UP_S, seconds / 4))
    before = memory.of(here, programs)
    injected = inject(scene, faults, end, plan=plan, verbose=verbose)
    here.heal()
    after = memory.of(here, programs)
    print("\n".join(memory.lines(before, after)))
    return finish(here, sources, injected, began=began, patience_s=PATIENCE_S)


if __name__ == "__main__":
    sys.exit(interruptible(main))
