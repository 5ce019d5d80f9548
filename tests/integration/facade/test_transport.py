"""What a call brings beside its arguments, in every version of the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client
from prometheus_client import CollectorRegistry

from dewey_logs.tools import Access
from godot.facade.backends import Backends
from tests.integration.facade.conftest import answering

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
IN_META = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
IN_HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
META_TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
HEADER_TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"


@pytest.fixture
def url(settings) -> Iterator[str]:
    with (
        Backends(settings) as backends,
        answering(backends, CollectorRegistry(), Access(body_s=60.0), "127.0.0.1") as port,
    ):
        yield f"http://127.0.0.1:{port}/mcp"


def called(version: str, meta: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a call of logger_log."""
    arguments = {"component": "a", "message": "m"}
    meta = {**(MODERN if version == VERSIONS[-1] else {}), **meta}
    params = {"name": "logger_log", "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}


def post(url: str, version: str, headers: dict[str, str], **meta: str) -> dict[str, Any]:
    """Return the structured content that logger_log answers."""
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "logger_log",
        **headers,
    }
    body = json.dumps(called(version, meta)).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, sent)) as answer:
        said: dict[str, Any] = json.loads(answer.read())["result"]["structuredContent"]
    return said


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_spoken_over_http_and_its_trace_heeded(url, version):
    assert "trace_id" not in post(url, version, {})
    assert post(url, version, {"X-Trace-ID": "order-17"})["trace_id"] == "order-17"
    both = {"X-Trace-ID": "order-17", "traceparent": IN_HEADER}
    assert post(url, version, both)["trace_id"] == HEADER_TRACE
    assert post(url, version, both, traceparent=IN_META)["trace_id"] == META_TRACE
    assert post(url, version, {"traceparent": "00-1-1-01"}, traceparent="x").get("trace_id") is None


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[3]])  # a process each
def test_every_version_is_spoken_over_stdio(environment, version):
    about = {"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"protocolVersion": version, **about},
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        called(version, {"traceparent": IN_META}),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "godot", "mcp", "--stdio"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in messages))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline())["result"] for _ in range(2)]
        process.stdin.close()
    assert answers[0]["protocolVersion"] == version
    assert answers[1]["structuredContent"]["trace_id"] == META_TRACE


def test_two_hundred_calls_at_once_over_http_all_succeed(url):
    results: list[Any] = []

    async def many() -> None:
        async with Client(url) as client, anyio.create_task_group() as group:

            async def one(number: int) -> None:
                tool = "logger_query" if number % 2 else "logger_log"
                arguments = {} if number % 2 else {"component": "a", "message": f"m{number}"}
                results.append(await client.call_tool(tool, arguments))

            for number in range(200):
                group.start_soon(one, number)

    anyio.run(many)
    assert len(results) == 200
    assert not [result.content[0].text for result in results if result.is_error]
