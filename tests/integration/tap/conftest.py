"""A tapped server as its client meets it: a process with three pipes, and what the stream got."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

Start = Callable[..., subprocess.Popen[bytes]]
Records = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def godot_tap(redis_url: str, stream_name: str, tmp_path: Path) -> Iterator[Start]:
    """Start `godot tap --as srv` with more arguments; killed in the end."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GODOT_REDIS_URL": redis_url,
        "GODOT_STREAM": stream_name,
        "GODOT_DATA_DIR": str(tmp_path),
    }

    def tap(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "godot", "tap", "--as", "srv", *arguments],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment | variables,
                start_new_session=True,
            )
        )
        return started[-1]

    yield tap
    for process in started:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
        process.wait(60)


@pytest.fixture
def start(godot_tap: Start) -> Start:
    """Start a tap around a Python program."""

    def tap(program: str, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        return godot_tap(*options, "--", sys.executable, "-c", program, **variables)

    return tap


@pytest.fixture
def records(redis_url: str, stream_name: str) -> Iterator[Records]:
    """Return what the stream holds, once the record is there that has to be the last."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def read(last: str = "tap ended", seconds: float = 60.0) -> list[dict[str, Any]]:
            deadline = time.monotonic() + seconds
            while True:
                found = [dict(fields) for _, fields in client.xrange(stream_name)]
                if found and found[-1]["message"] == last:
                    break
                assert time.monotonic() < deadline, found
                time.sleep(0.02)
            for record in found:
                record["data"] = msgspec.json.decode(record["data"])
            return sorted(found, key=lambda record: record["data"]["tap"]["n"])

        yield read
