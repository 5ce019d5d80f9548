"""Short runs that CI can afford; `python -m tests.chaos` runs for as long as it is asked to."""

from __future__ import annotations

import pytest

from tests.chaos.faults import MATRIX
from tests.chaos.storm import Outcome, run, table
from tests.chaos.world import world

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

SEED = 20260101


def report(outcome: Outcome) -> str:
    return "\n".join(["", *table(outcome)])


def test_no_fault_makes_a_record_disappear_or_come_twice():
    with world() as here:
        outcome = run(here, seed=SEED, seconds=45.0, complete_s=180.0)
    assert outcome.ok, report(outcome)
    every = {name for name, fault in MATRIX.items() if not fault.alone}
    missing = every - outcome.injected.counts.keys() - outcome.injected.impossible.keys()
    assert not missing, report(outcome)
    assert outcome.totals.lost, "some faults destroy records, so some must be lost"


def test_without_faults_that_destroy_nothing_is_lost_at_all():
    names = [name for name, fault in MATRIX.items() if not fault.loses and not fault.alone]
    with world() as here:
        outcome = run(here, seed=SEED, seconds=20.0, names=names)
    assert outcome.ok, report(outcome)
    assert outcome.totals.lost == 0
    assert outcome.audit.clean


def test_what_a_redis_loses_that_comes_back_older_is_named():
    with world() as here:
        names = ["redis-rollback", "workers-all-dead"]
        outcome = run(here, seed=SEED, seconds=10.0, names=names, complete_s=30.0)
    assert outcome.ok, report(outcome)
    assert outcome.injected.counts["redis-rollback"]
    assert outcome.totals.lost


def test_what_is_trimmed_is_counted_even_when_nothing_is_left_to_name_it():
    names = ["overflow", "rogue-trim", "worker-kill", "redis-full", "redis-lost-replies"]
    with world() as here:
        outcome = run(here, seed=SEED, seconds=15.0, names=names)
    assert outcome.ok, report(outcome)
    assert outcome.audit.total.lost >= outcome.totals.lost > 0


def test_no_program_needs_more_rights_than_its_users_have():
    names = ["worker-kill", "workers-all-dead", "redis-kill", "redis-full", "redis-del", "overflow"]
    with world(users=True) as here:
        outcome = run(here, seed=SEED, seconds=15.0, names=names)
    assert outcome.ok, report(outcome)
