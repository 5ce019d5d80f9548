from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

COMMAND = [sys.executable, "-m", "dewey_logs", "serve"]


@pytest.fixture
def environment(dewey_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DEWEY_URL": dewey_url,
        "DEWEY_MCP_PORT": "0",
        "GODOT_METRICS_PORT": "0",
        "GODOT_DATA_DIR": str(tmp_path),
    }


@pytest.fixture
def served(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    process = subprocess.Popen(
        COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    path = tmp_path / "run" / f"dewey-{process.pid}.json"
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "the server did not announce itself"
        time.sleep(0.02)
    yield process, path
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=60)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        body: bytes = answer.read()
    return body


def test_it_stores_answers_counts_and_stops_in_order(served):
    process, path = served
    said = json.loads(path.read_bytes())
    assert (said["role"], said["pid"]) == ("dewey", process.pid)

    async def session():
        async with Client(said["mcp_url"]) as client:
            logs = [{"component": "c", "level": "INFO", "message": f"m{i}"} for i in range(10)]
            stored = await client.call_tool("dewey_store_logs_batch", {"logs": logs})
            found = await client.call_tool("dewey_query_logs", {"search": "m3"})
            return stored.structured_content, found.structured_content

    stored, found = anyio.run(session)
    assert (stored["stored"], found["returned"]) == (10, 1)
    base = said["mcp_url"].removesuffix("/mcp")
    assert json.loads(get(f"{base}/readyz")) == {"ready": True, "postgres": True}
    metrics = get(said["metrics_url"]).decode()
    assert 'godot_mcp_tool_calls_total{outcome="ok",tool="dewey_store_logs_batch"} 1.0' in metrics
    assert 'godot_mcp_tool_calls_total{outcome="failed",tool="dewey_query_logs"} 0.0' in metrics
    assert 'role="dewey"' in metrics
    assert [one["labels"]["role"] for one in json.loads(get(said["metrics_url"][:-7] + "sd"))] == [
        "dewey"
    ]
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, b"")
    assert not path.exists()
    assert all(json.loads(line) for line in stderr.splitlines())


def test_stdio_speaks_the_same_tools(environment):
    async def session():
        command = [*COMMAND, "--stdio"]
        server = StdioServerParameters(command=command[0], args=command[1:], env=environment)
        async with Client(stdio_client(server)) as client:
            logs = [{"component": "c", "level": "INFO", "message": "over stdio"}]
            await client.call_tool("dewey_store_logs_batch", {"logs": logs})
            return await client.call_tool("dewey_query_logs", {})

    assert "over stdio" in anyio.run(session).content[0].text


@pytest.mark.parametrize(
    ("variable", "value"), [("DEWEY_HOST", "0.0.0.0"), ("DEWEY_MCP_PORT", "70000")]
)
def test_an_address_that_cannot_be_served_is_one_line(environment, variable, value):
    done = subprocess.run(
        COMMAND,
        env=environment | {variable: value},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert variable.encode() in done.stderr
    assert b"Traceback" not in done.stderr
