"""`make stress`: ten programs with the real client, as fast as asked, all the way into the table.

Nothing is made to fail here. What is asked: does everything arrive, how late is it, and does any
process grow. The delay runs from the log call to the commit as PostgreSQL dates it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import redis

from godot.wording import size
from tests.chaos import memory
from tests.chaos.interruption import interruptible
from tests.chaos.programs import ProgramReport
from tests.chaos.sources import Load, Sources
from tests.chaos.verdict import audited
from tests.chaos.world import STREAM, World, wait_until, world

WARM_UP_S = 10.0

DELAY = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY
         extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at) * 1000)
FROM logs WHERE created_at > (SELECT min(created_at) FROM logs) + %s * interval '1 second'
"""
ARRIVED = """
SELECT component, count(*), count(DISTINCT id), count(DISTINCT data->>'number'),
       count(*) FILTER (WHERE encode(sha256(convert_to(message, 'UTF8')), 'hex')
                              IS DISTINCT FROM data->>'check')
FROM logs WHERE data ? 'number' GROUP BY component
"""


def main() -> int:
    parser = argparse.ArgumentParser("tests.chaos.stress", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--producers", type=int, default=10)
    parser.add_argument("--rate", type=float, default=10_500.0, help="of all producers together")
    parser.add_argument("--workers", type=int, default=3)
    given = parser.parse_args()
    load = Load(
        named=0,
        wanderers=0,
        programs=given.producers,
        program_rate=given.rate / given.producers,
    )
    with world(workers=given.workers, reclaim_idle_ms=60_000, calm=True) as here:
        return 0 if stress(here, load, given.minutes * 60) else 1


def stress(here: World, load: Load, seconds: float) -> bool:
    """Run the load, print what came of it, and say whether every record arrived."""
    here.fleet.tend()
    wait_until(lambda: all(slot.works for slot in here.fleet.slots), 30)
    sources = Sources(here, "stress", load)
    programs = {program.name: program.pid for program in sources.programs}
    began = time.monotonic()
    behind = _keep_up(here, began + min(WARM_UP_S, seconds / 4))
    before, first, first_at = memory.of(here, programs), _rows(here), time.monotonic()
    behind = max(behind, _keep_up(here, began + seconds))
    after, last, last_at = memory.of(here, programs), _rows(here), time.monotonic()
    stopped = sources.stop(60.0)
    drained = wait_until(here.settled, 120.0) and stopped
    drained_s = time.monotonic() - last_at
    print(f"stored at {(last - first) / (last_at - first_at):,.0f} records/s")
    print(f"behind by {behind:,} entries at most, drained {drained_s:.1f} s after the end")
    ok = _arrived(here, sources.reports()) and drained
    p50, p99, worst = here.sql(DELAY, (WARM_UP_S,))[0][0] or (0, 0, 0)
    print(f"delay to the commit: p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {worst:.0f} ms")
    print("\n".join(memory.lines(before, after)))
    total = here.sql("SELECT pg_database_size('dewey')")[0][0]
    print(f"database {size(total)}; {'OK' if ok else 'VIOLATED'}")
    return ok


def _arrived(here: World, reports: Sequence[ProgramReport]) -> bool:
    """Hold what the programs logged against the table, and both against the audit."""
    rows = {name: counts for name, *counts in here.sql(ARRIVED)}
    offered = sum(report.logged for report in reports)
    stored = sum(counts[2] for counts in rows.values())
    duplicate = sum(counts[0] - counts[2] for counts in rows.values())
    duplicate += sum(counts[0] - counts[1] for counts in rows.values())
    damaged = sum(counts[3] for counts in rows.values())
    dropped = sum(report.dropped for report in reports)
    total = audited(here).total
    missing = offered - stored - dropped - total.lost
    print(
        f"offered {offered:,} | stored {stored:,} | duplicate {duplicate} | dropped by clients"
        f" {dropped:,} | lost {total.lost:,} | damaged {damaged} | unaccounted"
        f" {max(abs(missing), total.unaccounted)}"
    )
    print(f"audit: announced {total.announced:,}, stored {total.stored:,}, lost {total.lost:,}")
    return not (duplicate or damaged or missing or total.unaccounted or total.lost)


def _keep_up(here: World, until: float) -> int:
    """Watch until then; return by how many entries the workers were behind at most."""
    most = 0
    while time.monotonic() < until:
        here.fleet.tend()
        most = max(most, _behind(here))
        time.sleep(0.5)
    return most


def _behind(here: World) -> int:
    """Count what is pending, and what was added since the last delivery.

    By the server's counters, which are right until something is trimmed unread: reading the entries
    would take a core from those who are behind.
    """
    with here.redis() as client:
        try:
            group: Any = client.xinfo_groups(STREAM)[0]
            stream: Any = client.xinfo_stream(STREAM)
        except (redis.RedisError, IndexError):
            return 0
    waiting = stream["entries-added"] - (group["entries-read"] or 0)
    return int(group["pending"]) + min(waiting, int(stream["length"]))


def _rows(here: World) -> int:
    return int(here.sql("SELECT count(*) FROM logs")[0][0])


if __name__ == "__main__":
    sys.exit(interruptible(main))
