from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from godot.embedded import endpoint, instance
from godot.embedded.endpoint import Endpoint
from godot.embedded.instance import Identity
from godot.errors import StackProblem


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_its_start_not_by_its_number(
    sleeper: subprocess.Popen[bytes],
) -> None:
    who = instance.identify(sleeper.pid)
    assert who is not None
    assert instance.alive(who)
    earlier = Identity(who.pid, who.started - 1, who.boot)
    other_boot = Identity(who.pid, who.started, "another")
    for stranger in (earlier, other_boot):
        assert not instance.alive(stranger)
        instance.send(stranger, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_process_that_ended_and_was_not_collected_counts_as_gone(
    sleeper: subprocess.Popen[bytes],
) -> None:
    who = instance.identify(sleeper.pid)
    assert who is not None
    instance.send(who, signal.SIGKILL)
    assert instance.wait_gone([who], 10.0) == []
    assert sleeper.returncode is None  # still a zombie: nobody has waited for it
    assert instance.identify(sleeper.pid) is None


def test_a_name_with_brackets_and_blanks_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to(sys.executable)
    process = subprocess.Popen(
        [str(program), "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        me, other = instance.identify(os.getpid()), instance.identify(process.pid)
        assert me is not None
        assert other is not None
        assert other.started >= me.started
    finally:
        process.communicate()


def test_what_outlives_its_supervisor_is_ended_by_the_next(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "run").mkdir()
    instance.write_record(tmp_path, {"sleeper": sleeper.pid, "gone": 2**22 + 1})
    assert instance.end_leftovers(tmp_path, (), 0.0) == ["sleeper"]
    assert sleeper.wait(60) == -signal.SIGKILL


def test_programs_get_a_moment_only_once_the_servers_are_gone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "run").mkdir()
    instance.write_record(tmp_path, {"sleeper": sleeper.pid, "server": server.pid})
    assert server.stdin is not None
    server.stdin.close()
    assert instance.end_leftovers(tmp_path, ("server",), 600.0) == ["sleeper"]
    assert server.wait() != -signal.SIGKILL


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    with instance.Lock(tmp_path), pytest.raises(StackProblem, match=rf"process {os.getpid()}\)"):
        instance.Lock(tmp_path)
    instance.Lock(tmp_path).close()


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text('{"supervisor": 1')
    assert instance.read_record(tmp_path) is None
    assert instance.end_leftovers(tmp_path, (), 0.0) == []


def _endpoint(data_dir: Path, pid: int) -> Endpoint:
    return Endpoint(
        redis_url="unix:///a b/valkey.sock?db=0",
        dewey_url="postgresql:///dewey?host=/x&user=godot",
        stream="logs",
        group="dewey",
        godot_mcp_url="http://127.0.0.1:9060/mcp",
        dewey_mcp_url=None,
        metrics_urls=("http://127.0.0.1:9464/metrics",),
        pid=pid,
        started_at="2026-11-22T00:00:00Z",
        data_dir=str(data_dir),
    )


def test_an_endpoint_is_private_and_only_counts_while_its_process_lives(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    mine = _endpoint(tmp_path, os.getpid())
    endpoint.write(mine)
    assert stat.S_IMODE((tmp_path / "endpoint.json").stat().st_mode) == 0o600
    assert endpoint.read(tmp_path) == mine
    assert endpoint.running(tmp_path) is None  # nobody has written down that it runs
    instance.write_record(tmp_path, {})
    assert endpoint.running(tmp_path) == mine
    endpoint.write(_endpoint(tmp_path, os.getpid() + 1))
    assert endpoint.running(tmp_path) is None
    endpoint.remove(tmp_path)
    assert endpoint.read(tmp_path) is None


def test_a_shell_reads_back_exactly_what_was_written(tmp_path: Path) -> None:
    mine = _endpoint(tmp_path / "it's here", 1)
    script = f'{endpoint.shell_text(mine)}\nprintf %s "$GODOT_REDIS_URL|$DEWEY_URL|$GODOT_DATA_DIR"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == f"{mine.redis_url}|{mine.dewey_url}|{mine.data_dir}"
