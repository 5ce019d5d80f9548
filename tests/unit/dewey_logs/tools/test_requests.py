"""Every request counts, by a route that is ours and a class of status, however it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
from prometheus_client import CollectorRegistry

from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.requests import Counted


class Asked:
    """One request to an application that answers with a status, or ends otherwise."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ToolMetrics(self.registry)

    def answer(self, path: str, ending: int | BaseException) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if isinstance(ending, BaseException):
                raise ending
            await send({"type": "http.response.start", "status": ending, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        async def nothing(*_: Any) -> Any:
            return None

        scope = {"type": "http", "path": path}
        anyio.run(Counted(app, self.metrics), scope, nothing, nothing)

    def counted(self, route: str, code: str) -> float | None:
        labels = {"route": route, "code": code}
        return self.registry.get_sample_value("godot_http_requests_total", labels)


def test_routes_of_ours_have_names_and_strangers_paths_have_none():
    asked = Asked()
    assert asked.counted("/livez", "2xx") == asked.counted("other", "4xx") == 0
    for path, status in (("/livez", 200), ("/mcp", 421), ("/somebody's/guess", 404)):
        asked.answer(path, status)
    assert asked.counted("/livez", "2xx") == asked.counted("/mcp", "4xx") == 1
    assert asked.counted("other", "4xx") == 1
    count = "godot_http_request_duration_seconds_count"
    assert asked.registry.get_sample_value(count, {"route": "other"}) == 1


def test_what_fails_without_an_answer_is_ours_and_who_hangs_up_is_not():
    asked = Asked()
    with pytest.raises(ValueError):
        asked.answer("/mcp", ValueError("a bug"))
    assert (asked.counted("/mcp", "5xx"), asked.counted("/mcp", "4xx")) == (1, 0)
    with pytest.raises(asyncio.CancelledError):
        asked.answer("/mcp", asyncio.CancelledError())
    assert (asked.counted("/mcp", "5xx"), asked.counted("/mcp", "4xx")) == (1, 1)
