"""Dewey's server as a client meets it, inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult
from prometheus_client import CollectorRegistry

from dewey_logs.server import Backend, build
from dewey_logs.tools import StrictServer

Call = Callable[..., CallToolResult]


@pytest.fixture
def server(writer_url: str, reader_url: str, dewey_url: str) -> Iterator[StrictServer]:
    with Backend(writer_url, reader_url, dewey_url, 7) as backend:
        yield build(backend, CollectorRegistry())


@pytest.fixture(params=["auto", "legacy"])
def call(request: pytest.FixtureRequest, server: StrictServer) -> Call:
    """Call a tool; `legacy` goes through every serialisation."""
    return calling(server, request.param)


@pytest.fixture
def told(server: StrictServer) -> Callable[..., dict[str, Any]]:
    """Call a tool and return what it answers; text and structured content must be the same."""
    call = calling(server, "legacy")

    def payload(name: str, **arguments: Any) -> dict[str, Any]:
        result = call(name, **arguments)
        (block,) = result.content
        assert block.type == "text"
        assert not result.is_error, block.text
        assert json.loads(block.text) == result.structured_content
        assert result.structured_content is not None
        return result.structured_content

    return payload


@pytest.fixture
def refused(server: StrictServer) -> Callable[..., str]:
    """Call a tool in a way that must be an error, and return the one line that says so."""
    call = calling(server, "legacy")

    def line(name: str, **arguments: Any) -> str:
        result = call(name, **arguments)
        (block,) = result.content
        assert block.type == "text"
        assert result.is_error, block.text
        assert "\n" not in block.text
        return block.text

    return line


def calling(server: StrictServer, mode: str) -> Call:
    async def one(name: str, arguments: dict[str, Any]) -> CallToolResult:
        async with Client(server, mode=mode) as client:
            return await client.call_tool(name, arguments)

    return lambda name, **arguments: anyio.run(one, name, arguments)
