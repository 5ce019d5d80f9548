"""A disk that fills while a database is migrated: one clear line each time, nothing half done."""

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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system to fill")
def test_a_migration_that_fills_the_disk_leaves_nothing_and_goes_on_when_there_is_room(
    postgres_server, tmp_path
):
    with tempfile.TemporaryDirectory(prefix="godot-test-") as place:
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.dewey_logs.full_disk", place],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    found = json.loads(done.stdout)
    if "impossible" in found:
        pytest.skip(found["impossible"])
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
