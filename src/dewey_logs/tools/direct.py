"""A plain tool call over HTTP, answered in the task of its request.

The SDK gives a request of a client from before 2026 a session that lives as long as the request:
three tasks, four streams between them and thirty turns of the event loop, half of what a call
costs. Nothing of that is of use where a call has one answer and no session has a past. So a plain
call goes to the SDK's `serve_one`, by which it serves newer clients itself, past routes and checks
that the gate has made. Whatever is not plain goes the SDK's way, a malformed request above all:
what is to be said of those is known in one place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anyio
import pydantic_core
from mcp.server.connection import Connection
from mcp.server.runner import modern_error_data, serve_one
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PARAM_HEADER_PREFIX,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
)
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp.types import DEFAULT_NEGOTIATED_VERSION, ErrorData, JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dewey_logs.tools.answer import JSON
from dewey_logs.tools.strict import StrictServer

METHOD = "tools/call"
_PARTS = frozenset({"jsonrpc", "id", "method", "params"})
_PARAM = MCP_PARAM_HEADER_PREFIX.lower()

log = logging.getLogger(__name__)


class Direct:
    """ASGI: answers plain tool calls at `path`, and passes on everything else.

    A body has to come as one message, as the gate gives it.
    """

    def __init__(self, app: ASGIApp, server: StrictServer, path: str) -> None:
        self._app = app
        self._server = server
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        first = await receive()
        call = _call(first) if _is_plain(request) else None
        route = None if call is None else _route(call, request.headers)
        if call is None or route is None:
            await self._app(scope, _again(first, receive), send)
            return
        exchange = _Exchange(call["id"], request)
        try:
            result = await serve_one(
                self._server.lowlevel,
                exchange,
                METHOD,
                call["params"],
                connection=Connection.from_envelope(
                    route.protocol_version, route.client_info, route.client_capabilities
                ),
                lifespan_state=None,
            )
        except Exception as exc:  # noqa: BLE001  # the outermost of a request, as the SDK has it
            status, error = _error(exc, route.protocol_version)
            said = error.model_dump(mode="json", by_alias=True, exclude_none=True)
            await _answer(send, status, {"jsonrpc": "2.0", "id": call["id"], "error": said})
        else:
            await _answer(send, 200, {"jsonrpc": "2.0", "id": call["id"], "result": result})


class _Exchange:
    """The SDK's dispatch context of a request that is answered once and asks nothing back."""

    can_send_request = False

    def __init__(self, request_id: str | int, request: Request) -> None:
        self.request_id = request_id
        self.transport = TransportContext(
            kind="streamable-http", can_send_request=False, headers=request.headers
        )
        self.message_metadata = ServerMessageMetadata(
            request_context=request, can_send_request=False
        )
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Drop it: an answer in JSON has no room for more."""

    async def progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Drop it, as above."""


def _is_plain(request: Request) -> bool:
    """Say whether nothing about the head of a request wants a second look."""
    headers = request.headers
    return (
        headers.getlist("content-type") == ["application/json"]
        and check_accept_headers(request)[0]
        and find_duplicated_routing_header(headers.items()) is None
        and not any(name.startswith(_PARAM) for name in headers)
    )


def _call(message: Message) -> dict[str, Any] | None:
    """Return the call in a body, None where there is anything else.

    It is read as the SDK reads it, which refuses what is nested deeper than 200 levels.
    """
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    try:
        found = pydantic_core.from_json(message["body"])
        if not isinstance(found, dict) or found.keys() != _PARTS or found["method"] != METHOD:
            return None
        JSONRPCRequest.model_validate(found, by_name=False)
    except ValueError:  # pydantic's, too
        return None
    return found


def _route(call: Mapping[str, Any], headers: Mapping[str, str]) -> InboundModernRoute | None:
    """Return the version that a client speaks and who he is, None where the SDK has to judge."""
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION)
    if version in HANDSHAKE_PROTOCOL_VERSIONS:  # it says who in `initialize`, of which we keep none
        return InboundModernRoute(version, None, None)
    found = classify_inbound_request(call, headers=headers)
    return found if isinstance(found, InboundModernRoute) else None


def _error(exc: Exception, version: str) -> tuple[int, ErrorData]:
    """Return status and error as the SDK would answer them in this version."""
    if version not in HANDSHAKE_PROTOCOL_VERSIONS:
        error = modern_error_data(exc)
        return ERROR_CODE_HTTP_STATUS.get(error.code, 200), error
    known = handler_exception_to_error_data(exc)
    if known is None:
        log.exception("a call failed", extra={"action": "call"})
    return 200, known or ErrorData(code=0, message=str(exc))


def _again(first: Message, receive: Receive) -> Receive:
    """Give a message that was taken before the others."""
    left = [first]

    async def give() -> Message:
        return left.pop() if left else await receive()

    return give


async def _answer(send: Send, status: int, said: dict[str, object]) -> None:
    body = JSON.encode(said)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
