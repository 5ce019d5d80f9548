"""Faults that never heal: they stop what they concern, and nothing else."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tests.chaos.producers import make
from tests.chaos.sources import Load
from tests.chaos.storm import run, start, table, watch
from tests.chaos.world import STREAM, World, wait_until, world

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def test_one_worker_that_is_gone_for_good_does_not_stop_the_rest():
    with world() as here:
        here.fleet.slots[1].gone = True
        outcome = run(here, seed=1, seconds=8.0, names=["worker-kill", "pg-crash", "twice"])
    assert outcome.ok, "\n".join(table(outcome))


def test_a_worker_that_dies_holding_a_batch_and_stays_away_is_inherited():
    with world() as here:
        sources = start(here, "1", Load(programs=0))
        watch(here, time.monotonic() + 1.0)
        frozen = here.fleet.slots[1]
        here.fleet.freeze(frozen)  # whatever it holds, it holds for good
        frozen.gone = True
        watch(here, time.monotonic() + 2.0)
        assert sources.stop(30.0)
        assert wait_until(here.settled, 30.0), here.unsettled()
        assert _missing(here) == 0


def test_a_locked_day_stops_the_records_of_that_day_only():
    ago = timedelta(days=2)
    with world() as here:
        sources = start(here, "1", Load(programs=0))
        watch(here, time.monotonic() + 1.0)
        with here.session() as holder, holder.transaction():
            name = here.sql("SELECT dewey_partition_name(now() - interval '2 days')")[0][0]
            holder.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            producer = sources.specials.producer
            sources.specials.send([make(sources.specials.rng, producer, "late", ago=ago)])
            watch(here, time.monotonic() + 3.0)
            assert sources.stop(30.0)
            with here.redis() as client:
                assert client.xlen(STREAM) > 0
            # what shares a batch with the locked record waits with it; the rest must not
            assert wait_until(lambda: 1 <= len(here.unsettled().pending) <= 1_000, 30.0)
            assert wait_until(lambda: not here.unsettled().waiting, 30.0)
        assert wait_until(here.settled, 30.0)
        assert _missing(here) == 0


def _missing(here: World) -> int:
    stored = {row[0].bytes for row in here.sql("SELECT id FROM logs")}
    return len(here.book.items.keys() - stored)
