"""One record that kills the worker must not take its neighbours with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.worker.conftest import ENVIRONMENT, Bench

MAX_STARTS = 40


def test_a_record_that_kills_the_worker_is_condemned_alone(bench: Bench, settings):
    bench.append(bench.records(60))
    poison = bench.add_raw(component="test", level="INFO", message="poison")
    bench.append(bench.records(60))
    environ = {name: str(getattr(settings, field)) for name, field in ENVIRONMENT.items()}
    starts = 0
    process = None
    try:
        while not bench.settled():
            if process is None or process.poll() is not None:
                starts += 1
                assert starts < MAX_STARTS, "the poison was never condemned"
                process = subprocess.Popen(
                    [sys.executable, Path(__file__).with_name("poisoned_worker.py")],
                    env={**os.environ, **environ},
                    stderr=subprocess.DEVNULL,
                )
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
    assert bench.stored() == 120
    ((entry, reason, state),) = bench.sql("SELECT entry, reason, state FROM logs_rejected")
    assert (entry, state) == (poison, "open")
    assert "kills workers" in reason
    assert starts >= settings.max_deliveries + 3
