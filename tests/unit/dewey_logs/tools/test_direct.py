"""A plain call is answered as the SDK would, and what is not plain is left to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from prometheus_client import CollectorRegistry
from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from dewey_logs.tools import StrictServer, ToolMetrics, answer
from dewey_logs.tools.caller import CALLER_KEY, LOCAL
from dewey_logs.tools.direct import Direct
from dewey_logs.tools.kinds import SEARCHES

OLDER = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
NEWEST = "2026-07-28"
VERSIONS = [*OLDER, NEWEST, None]
RAISED: dict[str, Exception] = {
    "tool": ToolError("not now"),
    "bug": ValueError("secret dsn"),
    "protocol": MCPError(-32602, "so not", {"uri": "x"}),
    "method": MCPError(-32601, "no such"),
}
Made = tuple[int, dict[str, str], Any]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Beneath:
    """The SDK's own application, and how often it was asked."""

    def __init__(self, server: StrictServer) -> None:
        self._app = server.streamable_http_app(stateless_http=True, json_response=True)
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._app.router.lifespan_context(self._app):
            yield


def toy() -> StrictServer:
    server = StrictServer(
        "toy",
        version="1",
        instructions="",
        metrics=ToolMetrics(CollectorRegistry()),
        callers_errors=(),
        other_errors=(),
    )

    async def echo(
        text: str = "", limit: Annotated[int, Field(ge=1)] = 5, fail: str = ""
    ) -> CallToolResult:
        """Say what was given."""
        if fail:
            raise RAISED[fail]
        return answer({"text": text, "limit": limit, "next_cursor": None, "rows": [[1.5, None]]})

    server.offer(echo, "echo", SEARCHES)
    return server


async def post(app: ASGIApp, body: bytes, headers: list[tuple[str, str]], **scope: Any) -> Made:
    """Return status, headers and body of an answer, what is JSON decoded."""
    sent: list[Any] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return given.pop() if given else await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        CALLER_KEY: LOCAL,
        **scope,
    }
    await app(asked, receive, send)
    said = b"".join(message.get("body", b"") for message in sent)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert int(told.pop("content-length", "0")) == len(said)
    is_json = told.get("content-type") == "application/json" and said
    return sent[0]["status"], told, json.loads(said) if is_json else said


def head(version: str | None, **more: str) -> list[tuple[str, str]]:
    said = {
        "host": "127.0.0.1:80",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-method": "tools/call",
        "mcp-name": "echo",
        **({} if version is None else {"mcp-protocol-version": version}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return list(said.items())


def call(version: str | None, arguments: Any, name: str = "echo", **more: Any) -> bytes:
    params: dict[str, Any] = {"name": name, "arguments": arguments}
    if version == NEWEST:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": NEWEST,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "2"},
        }
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **more}
    return json.dumps(message).encode()


def nested(version: str | None, levels: int) -> bytes:
    return call(version, {"text": "x"}).replace(b'"x"', b"[" * levels + b"]" * levels)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("arguments", "name", "more"),
    [
        ({"text": "ü </script> \u2028", "limit": 3}, "echo", {"id": "seven"}),
        ({}, "echo", {}),
        (None, "echo", {}),
        ({"limit": 0}, "echo", {}),
        ({"lmit": 1}, "echo", {}),
        ({"fail": "tool"}, "echo", {}),
        ({"fail": "bug"}, "echo", {}),
        ({"fail": "protocol"}, "echo", {}),
        ({"fail": "method"}, "echo", {}),
        ({}, "ech", {}),
        ([], "echo", {}),
        ({}, "echo", {"id": -1}),
    ],
)
async def test_a_plain_call_is_answered_as_the_sdk_answers_it(version, arguments, name, more):
    beneath = Beneath(server := toy())
    body = call(version, arguments, name, **more)
    headers = head(version, mcp_name=name)
    async with beneath.running():
        expected = await post(beneath, body, headers)
        asked = beneath.asked
        got = await post(Direct(beneath, server, "/mcp"), body, headers)
        assert got == expected
        assert beneath.asked == asked


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_bug_beneath_the_tools_is_told_as_the_sdk_tells_it(version):
    async def broken(ctx: Any, call_next: Any) -> Any:
        raise RuntimeError("beneath")

    beneath = Beneath(server := toy())
    server.middleware.append(broken)
    async with beneath.running():
        expected = await post(beneath, call(version, {}), head(version))
        got = await post(Direct(beneath, server, "/mcp"), call(version, {}), head(version))
        assert got == expected
        assert "error" in got[2]


ODD: dict[str, Callable[[str], tuple[bytes, Mapping[str, str]]]] = {
    "another method": lambda v: (call(v, {}, method="ping"), {"mcp_method": "ping"}),
    "a notification": lambda v: (call(v, {}).replace(b'"id": 7, ', b""), {}),
    "an id of null": lambda v: (call(v, {}, id=None), {}),
    "a batch": lambda v: (b"[%b]" % call(v, {}), {}),
    "more than a call": lambda v: (call(v, {}, result={}), {}),
    "another jsonrpc": lambda v: (call(v, {}, jsonrpc="1.0"), {}),
    "params of a list": lambda v: (call(v, {}, params=[]), {}),
    "no json": lambda _: (b"{", {}),
    "no utf-8": lambda v: (call(v, {"text": "x"}).replace(b'"x"', b'"\xff"'), {}),
    "a depth without end": lambda v: (nested(v, 250), {}),
    "half a character": lambda v: (call(v, {"text": "x"}).replace(b'"x"', b'"\\ud800"'), {}),
    "nothing": lambda _: (b"", {}),
    "another type": lambda v: (call(v, {}), {"content_type": "text/plain"}),
    "a charset": lambda v: (call(v, {}), {"content_type": "application/json; charset=utf-8"}),
    "no json wanted": lambda v: (call(v, {}), {"accept": "text/html"}),
    "a version that is none": lambda v: (call(v, {}), {"mcp_protocol_version": "2031-01-01"}),
    "an argument in a header": lambda v: (call(v, {}), {"mcp_param_text": "x"}),
}


@pytest.mark.parametrize("version", ["2025-11-25", NEWEST])
@pytest.mark.parametrize("odd", ODD)
async def test_what_is_not_plain_is_left_to_the_sdk(version, odd):
    beneath = Beneath(server := toy())
    body, more = ODD[odd](version)
    async with beneath.running():
        expected = await post(beneath, body, head(version, **more))
        asked = beneath.asked
        got = await post(Direct(beneath, server, "/mcp"), body, head(version, **more))
        assert got == expected
        assert beneath.asked == asked + 1


@pytest.mark.parametrize(
    "more",
    [{"mcp_name": "other"}, {"mcp_method": "ping"}, {"mcp_name": ""}],
)
async def test_headers_that_belie_the_body_are_left_to_the_sdk(more):
    beneath = Beneath(server := toy())
    async with beneath.running():
        direct = Direct(beneath, server, "/mcp")
        status, _, said = await post(direct, call(NEWEST, {}), head(NEWEST, **more))
        assert (status, said["error"]["code"], beneath.asked) == (400, -32020, 1)


async def test_a_header_that_comes_twice_is_left_to_the_sdk():
    beneath = Beneath(server := toy())
    headers = [*head(NEWEST), ("mcp-name", "echo")]
    async with beneath.running():
        status, *_ = await post(Direct(beneath, server, "/mcp"), call(NEWEST, {}), headers)
        assert (status, beneath.asked) == (400, 1)


async def test_another_path_and_another_verb_are_left_to_the_sdk():
    beneath = Beneath(server := toy())
    direct = Direct(beneath, server, "/mcp")
    async with beneath.running():
        assert (await post(direct, call(NEWEST, {}), head(NEWEST), path="/mcp2"))[0] == 404
        assert (await post(direct, b"", head(NEWEST), method="DELETE"))[0] == 405
    assert beneath.asked == 2
