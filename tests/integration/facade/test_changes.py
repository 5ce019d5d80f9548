"""What Godot's server changes, and how it shows on whose behalf."""

from __future__ import annotations

from typing import Any

import anyio
import redis
from mcp import Client
from prometheus_client import CollectorRegistry

from godot.facade.backends import Backends
from godot.facade.server import build

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
META: Any = {"traceparent": TRACEPARENT}
TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


def test_levels_reach_running_programs_and_changes_are_told_with_their_trace(settings):
    async def session():
        async with Client(build(backends, CollectorRegistry())) as client:

            async def told(name, **arguments):
                result = await client.call_tool(name, arguments, meta=META)
                assert not result.is_error, result.content
                return result.structured_content

            level = {"component": "billing", "level": "debug", "duration": "forever"}
            await told("logger_set_level", **level)
            hashed = in_redis()
            plan = await told("logger_clear", component="dewey", search="nothing")
            assert plan["would_remove"] == 0
            plan = await told("logger_clear", component="dewey", search="set")
            await told("logger_clear", confirm=plan["confirm"])
            await told("logger_set_level", component="billing", level="default")
            page = await told("logger_query", fields=["data"], order="asc")
            return hashed, [dict(zip(page["columns"], row, strict=True)) for row in page["rows"]]

    def in_redis():
        with redis.Redis.from_url(settings.redis_url) as client:
            return client.hgetall(f"{settings.stream}:levels")

    with Backends(settings) as backends:
        hashed, (cleared, taken_back) = anyio.run(session)
    assert hashed == {b"billing": b"DEBUG"}
    assert in_redis() == {}
    assert cleared["message"] == "cleared 1 records"
    assert cleared["data"]["asked_by"].startswith("logger_clear by local (mcp")
    assert cleared["data"]["asked_by"].endswith(f"in trace {TRACE}")
    assert (taken_back["message"], taken_back["trace_id"]) == ("level taken back", TRACE)
