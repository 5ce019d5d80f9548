from __future__ import annotations

import json
import signal
import subprocess
import sys

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

COMMAND = [sys.executable, "-m", "godot", "mcp", "--stdio"]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def started(environment):
    process = subprocess.Popen(
        COMMAND,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=60)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_sdks_client_logs_and_queries_over_stdio(environment, working, stored, mode):
    async def session():
        server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment)
        async with Client(stdio_client(server), mode=mode) as client:
            logged = await client.call_tool(
                "logger_log", {"component": "local", "message": f"over stdio, {mode}"}
            )
            assert not logged.is_error
            with working():
                await anyio.to_thread.run_sync(stored, 1)
            return await client.call_tool("logger_query", {"component": "local"})

    found = anyio.run(session)
    assert f"over stdio, {mode}" in found.content[0].text


def test_only_the_tools_that_were_asked_for_are_offered(environment):
    async def session():
        command = [*COMMAND, "--read-only", "--toolset", "search,write"]
        server = StdioServerParameters(command=command[0], args=command[1:], env=environment)
        async with Client(stdio_client(server)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert sorted(anyio.run(session)) == [
        "logger_context",
        "logger_query",
        "logger_tail",
        "logger_trace",
    ]


def test_stdout_carries_the_protocol_and_nothing_else(started):
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "logger_log", "arguments": {"component": "a", "message": "m"}},
    }
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for message in (INITIALIZE, initialized, call):
        started.stdin.write(json.dumps(message).encode() + b"\n")
    started.stdin.write(b"this is no message\n")
    started.stdin.flush()
    answers = [json.loads(started.stdout.readline()) for _ in range(2)]
    assert [answer["id"] for answer in answers] == [1, 2]
    assert not answers[1]["result"].get("isError")
    rest, stderr = started.communicate(timeout=60)
    assert started.returncode == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert all(json.loads(line) for line in stderr.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_although_stdin_is_open(started, number):
    started.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    started.stdin.flush()
    started.stdout.readline()
    started.send_signal(number)
    assert started.wait(60) == 0
