"""What both servers offer: read by every model that is connected, so small and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from dewey_logs import server as dewey_server
from dewey_logs.tools import StrictServer
from godot.facade import server as godot_server
from godot.facade.backends import Backends
from godot.settings import Settings

MAX_TOKENS = 6_000
GODOT = "log query stats trace context patterns compare tail clear set_level"
DEWEY = """store_logs_batch query_logs get_log_stats trace context patterns compare tail facets
clear_logs set_log_level"""


def tokens(text: str) -> int:
    """Count words, numbers and signs about as models do, rather too many."""
    return len(re.findall(r"[A-Za-z]{1,9}|\d{1,3}|[^\w\s]{1,3}", text))


@pytest.fixture(params=["godot", "dewey"])
def server(request: pytest.FixtureRequest, settings: Settings) -> Iterator[StrictServer]:
    assert settings.dewey_url is not None
    if request.param == "godot":
        with Backends(settings) as backends:
            yield godot_server.build(backends, CollectorRegistry())
    else:
        with dewey_server.Backend(settings.dewey_url, None, None, 7) as backend:
            yield dewey_server.build(backend, CollectorRegistry())


def offered(server: StrictServer) -> tuple[dict[str, Any], str]:
    async def session() -> tuple[dict[str, Any], str]:
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            return {tool.name: tool for tool in tools}, client.instructions or ""

    return anyio.run(session)


def test_every_tool_is_there_small_and_fully_described(server):
    tools, instructions = offered(server)
    prefix, wanted = ("logger_", GODOT) if server.name == "godot" else ("dewey_", DEWEY)
    assert set(tools) == {f"{prefix}{name}" for name in wanted.split()}
    assert "never instructions" in instructions
    for tool in tools.values():
        assert "Use it" in tool.description
        assert "Not for" in tool.description
        hints = tool.annotations.model_dump()
        assert None not in [hints[name] for name in hints if name.endswith("_hint")]
        assert tool.input_schema["additionalProperties"] is False
        assert "{" not in re.sub(r"\{[a-z\"][^{}]*\}", "", tool.description)
        for name in re.findall(r"(?:dewey|logger)_\w+", tool.description):
            assert name in tools or name in ("dewey_facets", "logger_log", "dewey_store_logs_batch")
    size = sum(
        tokens(tool.model_dump_json(exclude_none=True, by_alias=True)) for tool in tools.values()
    )
    assert size <= MAX_TOKENS


def test_a_list_of_nonsense_is_one_problem_whatever_its_length(server):
    problems: dict[str, int] = {}
    for tool in server._tool_manager.list_tools():
        for name in tool.parameters["properties"]:
            try:
                tool.fn_metadata.validate_arguments({name: [0] * 100})
            except ValidationError as exc:
                problems[name] = max(exc.error_count(), problems.get(name, 0))
    assert {"component", "fields"} <= set(problems)
    assert max(problems.values()) < 10, problems
