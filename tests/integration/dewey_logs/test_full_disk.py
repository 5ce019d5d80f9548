"""A disk that fills while a database is migrated or sealed: one clear line, nothing half done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dewey_logs.migrations import migrate
from tests.integration.dewey_logs.full_disk import left_by
from tests.integration.dewey_logs.test_upgrades import files_until

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found():
    """What full_disk.py saw."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file system to fill")
    with tempfile.TemporaryDirectory(prefix="godot-test-") as place:
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.dewey_logs.full_disk", place],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    said = json.loads(done.stdout)
    if "impossible" in said:
        pytest.skip(said["impossible"])
    return said


def test_an_index_that_fills_the_disk_goes_and_is_built_when_there_is_room(found):
    sealing = found["sealing"]
    assert re.fullmatch(r"Unavailable: .*No space left on device.*", sealing["said"])
    assert (sealing["broken"], sealing["stored"]) == (0, 5)
    built, vacuumed = sealing["then"]
    assert (len(built), len(vacuumed)) == (2, 1)


def test_a_migration_that_fills_the_disk_leaves_nothing_and_goes_on_when_there_is_room(
    found, postgres_server, tmp_path
):
    *failed, last = found["attempts"]
    assert ":" not in last["said"], last
    for attempt in failed:
        assert re.fullmatch(r"Unavailable: .*No space left on device.*", attempt["said"])
    undone = [attempt for attempt in failed if "failed and was undone" in attempt["said"]]
    assert len(undone) > 1, failed

    for number, attempt in enumerate(found["attempts"]):
        applied = [name for name in attempt["left"] if re.match(r"\d{4}_", name)]
        whole = []
        if applied:  # the same without any trouble
            name = f"whole_{os.getpid()}_{number}"
            postgres_server.create_database(name)
            migrate(postgres_server.url(name), where=files_until(applied[-1], tmp_path / name))
            whole = left_by(postgres_server.url(name))
        assert attempt["left"] == whole
