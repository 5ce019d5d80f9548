"""A wrapped program: everything passes, every line is a record, and Redis never holds it up."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

import pytest
import redis

PROGRAM = (
    "import sys; print('level=error msg=broken order=7'); print('hello'); "
    "print('careful', file=sys.stderr); sys.stdout.write('no end'); sys.exit(3)"
)


@pytest.fixture
def entries(settings):
    """Give what was sent once it is that many, as (level, message, data)."""
    client = redis.Redis.from_url(settings.redis_url)

    def found(count: int) -> list[tuple[str, str, dict[str, object]]]:
        deadline = time.monotonic() + 60
        while client.xlen(settings.stream) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        sent: Any = client.xrange(settings.stream)
        return [
            (
                fields[b"level"].decode(),
                fields[b"message"].decode(),
                json.loads(fields.get(b"data", b"{}")),
            )
            for _, fields in sent
        ]

    yield found
    client.close()


def test_an_empty_argument_is_the_program_s_to_judge(run):
    done = run("run", "--", sys.executable, "-c", "import sys; print(sys.argv[1:])", "", "x")
    assert (done.returncode, done.stdout) == (0, b"['', 'x']\n")


def test_output_and_exit_code_pass_and_each_line_is_a_record(run, entries):
    secret = ("--token", "hunter2")
    done = run("run", "-c", "job", "--", sys.executable, "-c", PROGRAM, *secret)
    assert done.returncode == 3
    assert done.stdout == b"level=error msg=broken order=7\nhello\nno end"
    assert done.stderr == b"careful\n"
    found = entries(6)
    assert found[0][1] == "program started"
    assert sorted(found[1:5]) == [
        ("ERROR", "broken", {"order": "7"}),
        ("INFO", "hello", {}),
        ("INFO", "no end", {}),
        ("WARN", "careful", {}),
    ]
    level, message, data = found[5]
    assert (level, message, data["exit_status"]) == ("ERROR", "program ended", 3)
    assert "--token" in str(found)
    assert "hunter2" not in str(found)


def test_signals_pass_both_ways_and_stdin_is_the_programs_own(start, entries):
    process = start("run", "--", "cat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"through\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"through\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
    found = entries(3)
    assert [message for _, message, _ in found] == ["program started", "through", "program ended"]
    assert found[2][2]["exit_status"] == -signal.SIGTERM


def test_a_program_that_does_not_exist_is_said_as_a_shell_would(here):
    done = here("run", "--", "/no/such/program")
    assert done.returncode == 127
    assert b"GD-4010 /no/such/program" in done.stderr
    assert here("run", "--", __file__).returncode == 126
    assert here("run").returncode == 2


def test_without_redis_the_program_runs_as_if_nothing_were(run):
    began = time.monotonic()
    done = run(
        "run",
        "--",
        "sh",
        "-c",
        "echo hello; sleep 0.5; exit 4",
        GODOT_REDIS_URL="redis://127.0.0.1:1",
    )
    assert (done.returncode, done.stdout) == (4, b"hello\n")
    assert time.monotonic() - began < 30
