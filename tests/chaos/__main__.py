"""`python -m tests.chaos`: inject every fault under load, then require every record's account."""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial

from dewey_logs.layout import SEARCH_INDEXES
from tests.chaos.each import each
from tests.chaos.faults import MATRIX, NOT_INJECTED
from tests.chaos.fleet import GODOT
from tests.chaos.interruption import interruptible
from tests.chaos.sources import Load
from tests.chaos.storm import run, table
from tests.chaos.world import world


def main() -> int:
    """Run once; 0 when nothing is wrong, 1 when something is."""
    parser = argparse.ArgumentParser("tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--faults", default="", help="names, separated by commas; all by default")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--maxlen", type=int, default=100_000, help="GODOT_MAXLEN")
    parser.add_argument("--rate", type=float, default=Load().named_rate, help="of each producer")
    parser.add_argument("--worker-module", default=GODOT, help="a mutant, to see the harness fail")
    through = "mcp: the workers store through a Dewey"
    parser.add_argument("--store", choices=("direct", "mcp"), default="direct", help=through)
    parser.add_argument("--search-index", choices=SEARCH_INDEXES, default="sealed")
    users = "each program logs in to Redis and PostgreSQL with no more rights than it needs"
    parser.add_argument("--users", action="store_true", help=users)
    parser.add_argument("--each", action="store_true", help="one fault after the other, a row each")
    parser.add_argument("--times", type=int, default=3, help="how often, with --each")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--keep", action="store_true", help="keep the folder with every log")
    parser.add_argument("--verbose", action="store_true", help="say each fault as it comes")
    given = parser.parse_args()
    if given.list:
        for fault in MATRIX.values():
            marks = [*(["loses"] if fault.loses else []), *(["alone"] if fault.alone else [])]
            print(f"{fault.name:<26} {fault.what}", *(f"({mark})" for mark in marks))
        print("\nnot injected")
        for name, why in NOT_INJECTED.items():
            print(f"{name:<38} {why}")
        return 0
    names = [name for name in given.faults.split(",") if name]
    unknown = [name for name in names if name not in MATRIX]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)} (see --list)")
    print(f"seed {given.seed}", flush=True)
    with world(
        keep=given.keep,
        workers=given.workers,
        module=given.worker_module,
        maxlen=given.maxlen,
        store=given.store,
        search_index=given.search_index,
        users=given.users,
    ) as here:
        load = Load(named_rate=given.rate)
        if given.each:
            plain = partial(print, flush=True)
            ok = each(here, names, seed=given.seed, times=given.times, load=load, say=plain)
            return 0 if ok else 1
        outcome = run(
            here,
            seed=given.seed,
            seconds=given.seconds,
            names=names,
            load=load,
            verbose=given.verbose,
        )
        if given.keep:
            print(f"folder {here.folder}")
    for line in table(outcome):
        print(line)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(interruptible(main))
