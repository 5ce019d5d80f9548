"""An investigation, played with nothing but the SDK's client, and what it costs in tokens."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from prometheus_client import CollectorRegistry

from dewey_logs import server as dewey_server
from dewey_logs.tools import DEWEY, Names, StrictServer
from godot.embedded.demo import visits
from godot.facade import server as godot_server
from godot.facade.backends import Backends
from godot.settings import Settings
from tests.integration.facade.test_offer import tokens

MAX_TOKENS = 12_000
LINES = 4_000
OVER_S = 7_000  # nearly two hours: the last one, and the one before


def traffic() -> Iterator[dict[str, Any]]:
    """Yield two hours of a shop; in the last twenty minutes its bank loses connections."""
    chance = random.Random(7)
    begun = datetime.now(UTC) - timedelta(seconds=OVER_S)
    for n, line in zip(range(LINES), visits(chance), strict=False):
        at = begun + timedelta(seconds=n * OVER_S / LINES)
        logged = {**line._asdict(), "created_at": at.isoformat(), "id": str(uuid.uuid4())}
        yield logged
        if line.message == "bank answers slowly" and n > LINES * 5 // 6:
            failed = {
                "level": "ERROR",
                "message": f"connection to bank lost after {chance.randint(900, 4_000)} ms",
                "data": {"pool": "bank", "open": 0},
                "created_at": (at + timedelta(milliseconds=40)).isoformat(),
                "id": str(uuid.uuid4()),
            }
            yield {**logged, **failed}


def rows(payload: dict[str, Any]) -> list[dict[str, Any]]:
    common = payload.get("common", {})
    found = [dict(zip(payload["columns"], row, strict=True)) for row in payload["rows"]]
    return [{**common, **row} for row in found]


class Agent:
    """Calls tools and counts what its model would have to read and write."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.read: list[str] = []

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        (block,) = result.content
        assert block.type == "text"
        assert len(block.text) <= 16_000
        self.read += [f"{tool} {arguments}", block.text]
        assert result.structured_content is not None
        return result.structured_content

    @property
    def tokens(self) -> int:
        return sum(map(tokens, self.read))


async def investigate(agent: Agent, names: Names) -> dict[str, Any]:
    """Go from a bad feeling to the cause of it."""
    stats = await agent.call(names.stats, since="2h", level="WARN")
    worst = rows(stats["by_component"])[0]["component"]
    kinds = await agent.call(names.patterns, level="ERROR")
    changes = await agent.call(names.compare, level="WARN")
    new = rows(changes["new"])[0]
    assert new["template"] in [row["template"] for row in rows(kinds)]
    page = await agent.call(
        names.query, level="ERROR", component=new["component"], search="bank lost", limit=10
    )
    error = rows(page)[0]
    around = await agent.call(names.context, id=error["id"], same="trace")
    trace = await agent.call(names.trace, trace_id=error["trace_id"])
    return {"worst": worst, "new": new, "around": around, "trace": trace}


@contextmanager
def server_of(which: str, settings: Settings) -> Iterator[tuple[StrictServer, Names]]:
    assert settings.dewey_url is not None
    if which == "godot":
        with Backends(settings) as backends:
            yield godot_server.build(backends, CollectorRegistry()), godot_server.NAMES
    else:
        with dewey_server.Backend(settings.dewey_url, None, None, 7) as backend:
            yield dewey_server.build(backend, CollectorRegistry()), DEWEY


@pytest.mark.parametrize("which", ["dewey", "godot"])
def test_an_investigation_finds_the_cause_in_few_tokens(settings, which):
    async def session() -> tuple[dict[str, Any], Agent]:
        with server_of("dewey", settings) as (store, _):
            async with Client(store) as client:
                logs = list(traffic())
                for low in range(0, len(logs), 1_000):
                    batch = {"logs": logs[low : low + 1_000]}
                    result = await client.call_tool("dewey_store_logs_batch", batch)
                    assert result.structured_content is not None
                    assert not result.structured_content["rejected"]
        with server_of(which, settings) as (server, names):
            async with Client(server, mode="legacy") as client:
                agent = Agent(client)
                agent.read.append(client.instructions or "")
                for tool in (await client.list_tools()).tools:
                    agent.read.append(tool.model_dump_json(exclude_none=True, by_alias=True))
                return await investigate(agent, names), agent

    found, agent = anyio.run(session)
    if folder := os.environ.get("INVESTIGATION"):
        Path(folder, which).write_text("\n".join(agent.read))
    assert found["worst"] == "shop.payments"
    assert found["new"]["component"] == "shop.payments"
    assert "connection to bank lost" in found["new"]["template"]
    assert found["around"]["record"]["data"] == {"pool": "bank", "open": 0}
    before = [row["message"] for row in rows(found["around"]["before"])]
    assert before[-1] == "bank answers slowly"
    assert found["trace"]["first_error"]["message"].startswith("connection to bank lost")
    assert agent.tokens <= MAX_TOKENS
