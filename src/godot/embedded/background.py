"""A stack that runs without a terminal: started in the background, stopped from elsewhere.

The background process is an ordinary `godot up` in a session of its own. Whether it is ready is
seen in endpoint.json; that it failed, by its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from godot.embedded import endpoint as endpoints
from godot.embedded import instance
from godot.embedded.complaints import MAX_LOG_BYTES, move_aside
from godot.embedded.endpoint import Endpoint
from godot.embedded.folder import explained, prepare
from godot.embedded.services import LOG_FOLDER, PYTHON, SERVER_NAMES
from godot.errors import StackProblem

UP_LOG = "up.log"
POLL_S = 0.05
STOP_TIMEOUT_S = 60.0
GRACE_S = 2.0
LAST_WORDS_BYTES = 3_000


def start(arguments: Sequence[str], data_dir: Path, wait_s: float) -> Endpoint:
    """Run `godot up ARGUMENTS` in the background; return once it is ready.

    Raises StackProblem with what it said when it ended or was not ready in time; in the latter
    case it is stopped, so that nothing half-started stays behind.
    """
    prepare(data_dir)
    with instance.Lock(data_dir):
        pass  # someone else's lock is an error of this terminal, not of a log file
    log = data_dir / LOG_FOLDER / UP_LOG
    # held open here: an ephemeral stack that fails removes its folder before we read
    with explained(data_dir), log.open("a+b") as out:
        if out.tell() > MAX_LOG_BYTES:
            move_aside(log)
        first_byte = out.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [*PYTHON, "godot", "up", "--data-dir", str(data_dir), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=data_dir,
            start_new_session=True,
        )
        try:
            endpoint = _await(process, data_dir, wait_s)
        except KeyboardInterrupt:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
            raise
        if endpoint is not None:
            return endpoint
        in_time = process.poll() is not None
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
        out.seek(first_byte)
        words = out.read()[-LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
    if in_time:
        raise StackProblem(
            f"the stack did not start:\n{words}", exit_code=max(process.returncode, 1)
        )
    raise StackProblem(
        f"the stack was not ready within {wait_s:g} s and was stopped; it said:\n{words}",
        "allow more with --wait",
        "GD-4010",
    )


def _await(process: subprocess.Popen[bytes], data_dir: Path, wait_s: float) -> Endpoint | None:
    """Return what it published, or None when it ended or took too long."""
    # it has the same limit and knows better than we do what is missing: let it say so
    deadline = time.monotonic() + wait_s + GRACE_S
    while process.poll() is None and time.monotonic() <= deadline:
        endpoint = endpoints.read(data_dir)
        if endpoint is not None and endpoint.pid == process.pid:
            return endpoint
        time.sleep(POLL_S)
    return None


def stop(data_dir: Path, timeout_s: float = STOP_TIMEOUT_S) -> list[int]:
    """Stop what runs over a data folder, and wait for all of it; return the ids of what was there.

    A supervisor that does not end in time is killed, and so are children that outlive it.
    """
    record = instance.read_record(data_dir)
    if record is None:
        return []
    everything = [record.supervisor, *record.children.values()]
    there = [process.pid for process in everything if instance.alive(process)]
    instance.send(record.supervisor, signal.SIGTERM)
    for stubborn in instance.wait_gone([record.supervisor], timeout_s):
        instance.send(stubborn, signal.SIGKILL)
    instance.end_leftovers(data_dir, SERVER_NAMES, timeout_s)
    if instance.read_record(data_dir) == record:  # it was killed and could not tidy up
        endpoints.remove(data_dir)
        instance.remove_record(data_dir)
    return there


def runs_here(data_dir: Path) -> int | None:
    """Return the id of the supervisor over a data folder, None when there is none."""
    record = instance.read_record(data_dir)
    if record is None or not instance.alive(record.supervisor):
        return None
    return record.supervisor.pid
