"""The real thing: the `godot` command starts the whole system, seen from other processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from godot.embedded import background, instance
from godot.embedded.endpoint import Endpoint, read
from tests.integration.embedded.runs import until

PORTS = {"GODOT_MCP_PORT": "0", "DEWEY_MCP_PORT": "0", "GODOT_METRICS_PORT": "0"}
GODOT = (sys.executable, "-m", "godot")


def _environment(data_dir: Path | None) -> Mapping[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "GODOT_DATA_DIR"}
    return env | PORTS | ({} if data_dir is None else {"GODOT_DATA_DIR": str(data_dir)})


def _godot(data_dir: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GODOT, *arguments],
        env=_environment(data_dir),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.fixture
def taken_down(data_dir: Path) -> Iterator[Path]:
    """The data folder of a stack that is stopped at the end, whatever happened."""
    yield data_dir
    background.stop(data_dir)


def _published(data_dir: Path) -> tuple[Endpoint, instance.Record]:
    endpoint, record = read(data_dir), instance.read_record(data_dir)
    assert endpoint is not None
    assert record is not None
    return endpoint, record


def test_a_stack_stores_what_programs_send_survives_its_murder_and_ends_on_ctrl_c(
    taken_down: Path,
) -> None:
    data_dir = taken_down
    up = _godot(data_dir, "up", "--detach", "--wait", "120s", "--demo", "200/s")
    assert (up.returncode, up.stdout) == (0, ""), up.stderr
    endpoint, record = _published(data_dir)
    assert set(record.children) == {"valkey", "postgresql", "worker-1", "mcp", "dewey", "demo"}
    assert len(endpoint.metrics_urls) == 3
    for url in endpoint.metrics_urls:
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert b"godot_build_info" in answer.read()

    sent = _godot(data_dir, "emit", "seen from outside", "-c", "elsewhere")
    assert sent.returncode == 0, sent.stderr
    across = "SELECT count(DISTINCT component) FROM logs GROUP BY trace_id ORDER BY 1 DESC LIMIT 1"
    with psycopg.connect(endpoint.dewey_reader_url or "", autocommit=True) as connection:
        find = "SELECT component FROM logs WHERE message = 'seen from outside'"
        until(lambda: connection.execute(find).fetchone() == ("elsewhere",), "it is stored")
        until(
            lambda: (connection.execute(across).fetchone() or (0,))[0] >= 4,
            "sample traffic with traces through several components is stored",
        )

    instance.send(record.supervisor, signal.SIGKILL)
    said = data_dir / "logs" / "second.txt"
    with said.open("w") as out:
        again = subprocess.Popen(
            [*GODOT, "up"],
            env=_environment(data_dir),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    until(lambda: "Ready in" in said.read_text() or again.poll() is not None, "it runs again")
    assert again.poll() is None, said.read_text()
    assert not instance.wait_gone([record.supervisor, *record.children.values()], 0.0)
    found = _godot(data_dir, "query", "seen from outside", "-o", "jsonl")
    assert [json.loads(line)["component"] for line in found.stdout.splitlines()] == ["elsewhere"]
    _, record = _published(data_dir)
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 130
    assert not instance.wait_gone(record.children.values(), 0.0)


def test_an_ephemeral_stack_is_found_refuses_a_twin_and_leaves_nothing_behind() -> None:
    up = _godot(None, "up", "--detach", "--ephemeral", "--wait", "120s")
    assert (up.returncode, up.stdout) == (0, ""), up.stderr
    where = re.search(r"export GODOT_DATA_DIR=(\S+)", up.stderr)
    assert where is not None
    data_dir = Path(where[1])
    try:
        endpoint, record = _published(data_dir)
        shell = subprocess.run(
            ["sh", "-c", 'eval "$("$@")" && echo "$DEWEY_URL"', "sh", *GODOT, "env"],
            env=_environment(data_dir),
            capture_output=True,
            text=True,
            check=True,
        )
        assert shell.stdout == f"{endpoint.dewey_url}\n"
        assert json.loads(_godot(data_dir, "env", "-o", "json").stdout)["pid"] == endpoint.pid
        refused = _godot(data_dir, "up", "--detach")
        assert refused.returncode == 1
        assert f"GD-4002 a stack already runs over {data_dir} " in refused.stderr
        assert f"(process {endpoint.pid})" in refused.stderr
    finally:
        down = _godot(data_dir, "down")
    assert (down.returncode, down.stdout) == (0, "")
    assert not instance.wait_gone([record.supervisor, *record.children.values()], 0.0)
    assert not data_dir.exists()
    assert _godot(data_dir, "env").returncode == 3
