"""Faults that never heal: they stop what they concern, and nothing else."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.fleet import Slot
from tests.chaos.producers import make
from tests.chaos.sources import Load
from tests.chaos.storm import run, start, table, watch
from tests.chaos.world import GROUP, STREAM, World, wait_until, world

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def test_one_worker_that_is_gone_for_good_does_not_stop_the_rest():
    with world() as here:
        here.fleet.slots[1].gone = True
        outcome = run(here, seed=1, seconds=8.0, names=["worker-kill", "pg-crash", "twice"])
    assert outcome.ok, "\n".join(table(outcome))


def test_a_worker_that_dies_holding_a_batch_and_stays_away_is_inherited():
    with world() as here:
        sources = start(here, "1", Load(programs=0))
        slot = here.fleet.slots[1]
        assert wait_until(lambda: _frozen_with_a_batch(here, slot), 60.0)
        slot.gone = True
        here.fleet.kill(slot)
        watch(here, time.monotonic() + 2.0)
        assert sources.stop(30.0)
        assert wait_until(here.settled, 60.0), here.unsettled()
        assert not _missing(here)


def test_a_locked_day_stops_the_records_of_that_day_only():
    at = (datetime.now(UTC) - timedelta(days=2)).replace(hour=12)  # far from any midnight
    with world() as here:
        sources = start(here, "1", Load(programs=0))
        watch(here, time.monotonic() + 1.0)
        with here.session() as holder, holder.transaction():
            name = here.sql("SELECT dewey_partition_of(%s)", (at,))[0][0]
            holder.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            ago, specials = datetime.now(UTC) - at, sources.specials
            late = make(specials.rng, specials.producer, "late", ago=ago)
            specials.send([late])
            watch(here, time.monotonic() + 6.0)
            assert sources.stop(30.0)
            # what shares a batch with the locked record waits with it; the rest must not
            assert wait_until(lambda: 1 <= len(here.unsettled().pending) <= 1_000, 30.0)
            assert wait_until(lambda: not here.unsettled().waiting, 30.0)
            found = holder.execute("SELECT id FROM logs")  # whoever else asks has to wait
            missing = here.book.items.keys() - {row[0].bytes for row in found}
            assert bytes.fromhex(late.id.replace("-", "")) in missing
            assert len(missing) < len(here.book.items) / 2
        assert wait_until(here.settled, 30.0)
        assert not _missing(here)


def test_rows_that_postgresql_refuses_for_good_stop_nobody_else():
    with world() as here:
        outcome = run(here, seed=1, seconds=8.0, names=["poison-rows", "undecodable"])
        assert outcome.totals.dead
    assert outcome.ok, "\n".join(table(outcome))


def _frozen_with_a_batch(here: World, slot: Slot) -> bool:
    """Stop a worker; let it go on unless it has entries in its hands."""
    here.fleet.tend()
    if not slot.works or slot.child is None:
        return False
    here.fleet.freeze(slot)
    time.sleep(0.2)  # whatever it was sent before has arrived
    with here.redis() as client:
        holders: Any = client.xinfo_consumers(STREAM, GROUP)
    mark = f":{slot.child.pid}:".encode()
    if any(mark in holder["name"] and holder["pending"] for holder in holders):
        return True
    here.fleet.thaw(slot)
    time.sleep(random.uniform(0.0, 0.1))
    return False


def _missing(here: World) -> set[bytes]:
    stored = {row[0].bytes for row in here.sql("SELECT id FROM logs")}
    return here.book.items.keys() - stored
