"""A harness that cannot fail proves nothing: each of these workers is wrong, and must be caught."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tests.chaos.sources import Load
from tests.chaos.storm import Outcome, run, table
from tests.chaos.workers.plain_copy import WITHOUT_KEY
from tests.chaos.world import world

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

LOAD = Load(named=4, named_rate=250.0, programs=1, program_rate=100.0)


def outcome_of(
    module: str,
    *faults: str,
    schema: LiteralString = "",
    seconds: float = 12.0,
    patience_s: float = 30.0,
) -> Outcome:
    with world(module=module, schema=schema) as here:
        return run(here, seed=7, seconds=seconds, names=faults, load=LOAD, patience_s=patience_s)


def caught(outcome: Outcome, *kinds: str) -> None:
    found = set(outcome.findings.counts)
    assert found.issuperset(kinds), "\n".join(["not caught", *table(outcome)])


def test_the_same_faults_find_nothing_in_the_real_worker():
    faults = ("worker-kill", "workers-all-dead", "pg-crash", "worker-freeze", "group-destroy")
    outcome = outcome_of("godot", *faults, seconds=20.0, patience_s=90.0)
    assert outcome.ok, "\n".join(table(outcome))


def test_acknowledging_before_the_commit_is_caught():
    outcome = outcome_of("tests.chaos.workers.ack_first", "worker-kill", "pg-crash")
    caught(outcome, "missing and still in the stream", "audit: unaccounted")


def test_commits_that_do_not_wait_for_the_disk_are_caught():
    outcome = outcome_of("tests.chaos.workers.async_commit", "pg-crash")
    caught(outcome, "missing and still in the stream", "audit: unaccounted")


def test_a_key_made_from_the_clock_at_the_insert_is_caught():
    outcome = outcome_of("tests.chaos.workers.now_key", "worker-kill", "group-destroy", "twice")
    caught(outcome, "duplicate row", "payload differs")


def test_a_table_without_the_unique_key_is_caught():
    outcome = outcome_of(
        "tests.chaos.workers.plain_copy",
        *("worker-kill", "group-destroy", "twice"),
        schema=WITHOUT_KEY,
    )
    caught(outcome, "duplicate row")
