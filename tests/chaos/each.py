"""`python -m tests.chaos --each`: every fault alone, one after the other, in one world.

A row shows by how much the account grew while its fault was injected. Each row has producers of its
own, heals, drains and is judged, which takes a quarter of a minute: what fails is this fault's.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence

from tests.chaos.faults import MATRIX, Impossible, Scene, Skipped
from tests.chaos.findings import Totals
from tests.chaos.programs import ProgramReport
from tests.chaos.sources import Load
from tests.chaos.storm import DRAIN_PATIENCE_S, TICK_S, drain, failure, start, watch
from tests.chaos.verdict import judge
from tests.chaos.world import World

COLUMNS = ("offered", "stored", "duplicate", "dead", "lost", "unaccounted")
LULL_S = 0.5  # between two injections


def each(
    world: World,
    names: Sequence[str],
    *,
    seed: int,
    times: int,
    load: Load,
    say: Callable[[str], None],
) -> bool:
    """Print a row for each fault; say whether nothing is wrong."""
    width = max(map(len, MATRIX))
    say("  ".join([f"{'fault':<{width}}", "injected", *(f"{name:>11}" for name in COLUMNS)]))
    before, known, reports = Totals(), 0, list[ProgramReport]()
    failures: list[tuple[str, str]] = []
    counted = ok = True
    chosen = [MATRIX[name] for name in names] or list(MATRIX.values())
    for fault in sorted(chosen, key=lambda fault: fault.alone):  # after one of those none counts
        sources = start(world, f"{seed}/{fault.name}", load, prefix=f"{fault.name}-")
        scene = Scene(world, random.Random(f"{seed}/{fault.name}"), sources.specials)
        injected, why = 0, ""
        for _ in range(times):
            watch(world, time.monotonic() + LULL_S)
            try:
                with contextlib.closing(fault.steps(scene)) as steps:
                    for pause_s in steps:
                        watch(world, time.monotonic() + max(pause_s, TICK_S))
            except (Skipped, Impossible) as exc:
                why = f"  ({exc})"
            except Exception as exc:  # noqa: BLE001  # a finding, whatever it is
                failures.append(failure(fault, exc))
            else:
                injected += 1
        counted = counted and not fault.alone
        world.heal()
        deadline = time.monotonic() + DRAIN_PATIENCE_S
        drained = sources.stop(DRAIN_PATIENCE_S) and drain(world, deadline)
        reports += sources.reports()
        failures += [("a producer ended", reason) for reason in sources.failures()]
        findings, totals, _ = judge(
            world, reports, drained=drained, counted=counted, failures=failures
        )
        grown = [getattr(totals, name) - getattr(before, name) for name in COLUMNS]
        row = "  ".join([f"{fault.name:<{width}}", f"{injected:>8}", *(f"{n:>11,}" for n in grown)])
        say(row + why)
        if findings.counts.total() > known:
            ok = False
            for line in findings.lines():
                say(line)
        before, known = totals, findings.counts.total()
    say("  ".join([f"{'':<{width}}", " " * 8, *(f"{getattr(before, n):>11,}" for n in COLUMNS)]))
    say("OK" if ok else "VIOLATED")
    return ok
