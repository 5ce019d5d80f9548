"""Trace ids between programs: `X-Trace-ID` and W3C `traceparent`, in headers or in MCP's `_meta`.

A traceparent wins over X-Trace-ID, since it is what standard tooling sends. Nothing is invented: a
request without a trace id is logged without one. Nothing here raises for what a request brings.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from clientlib.context import Scope, current_trace_id, trace_context
from clientlib.lifecycle import flush_all
from clientlib.pattern import Pattern
from clientlib.record import MAX_TRACE_CHARS, normal_trace_id

TRACE_HEADER = "X-Trace-ID"
_TRACEPARENT = Pattern(  # later versions may say more behind it
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_UUID = Pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Scoped = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scoped]]
Send = Callable[[Scoped], Awaitable[None]]
ASGIApp = Callable[[Scoped, Receive, Send], Awaitable[None]]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def trace_id_from(carrier: object) -> str | None:
    """Return the trace id that a request carries, or None.

    `carrier` is a mapping (headers, an MCP request's `_meta`) or (name, value) pairs; names in any
    case, text or bytes.
    """
    parent = given = ""
    try:
        pairs = carrier.items() if isinstance(carrier, Mapping) else carrier
        for name, value in pairs:  # type: ignore[attr-defined]  # what is no carrier raises
            match _text(name).lower():
                case "traceparent":
                    parent = parent or _text(value)
                case "x-trace-id":
                    given = given or _text(value)
    except Exception:  # noqa: BLE001  # a carrier is another program's data
        return None
    return _read(parent, given)


def trace_headers() -> dict[str, str]:
    """Return the headers (or the `_meta`) that carry the trace id in force, if any, onwards."""
    given = current_trace_id()
    if given is None:
        return {}
    trace_id = normal_trace_id(given)
    headers = {TRACE_HEADER: trace_id} if _may_be_header(trace_id) else {}
    if _UUID.fullmatch(trace_id):
        digits = trace_id.replace("-", "")
        headers["traceparent"] = f"00-{digits}-{os.urandom(8).hex()}-01"
    return headers


class TraceMiddleware:
    """ASGI: what is logged while a request is handled carries its trace id.

    The response repeats it as X-Trace-ID. `app.add_middleware(TraceMiddleware)`, or around an app.
    When the application shuts down, what is buffered is sent: servers end themselves by the signal
    that they were given, and no exit hook runs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scoped, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _sending_first(send))
            return
        trace_id = trace_id_from(scope.get("headers", ()))
        if trace_id is None:
            await self.app(scope, receive, send)
            return

        async def repeat(message: Scoped) -> None:
            if message["type"] == "http.response.start" and _may_be_header(trace_id):
                header = (TRACE_HEADER.lower().encode(), trace_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        with trace_context(trace_id):
            await self.app(scope, receive, repeat)


def _sending_first(send: Send) -> Send:
    async def pass_on(message: Scoped) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            flush_all()
        await send(message)

    return pass_on


class WSGITraceMiddleware:
    """WSGI: the same, also while the response is being produced."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        trace_id = _read(
            _text(environ.get("HTTP_TRACEPARENT", "")), _text(environ.get("HTTP_X_TRACE_ID", ""))
        )
        if trace_id is None:
            return self.app(environ, start_response)

        def repeat(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if _may_be_header(trace_id):
                headers = [*headers, (TRACE_HEADER, trace_id)]
            return start_response(status, headers, *more)

        with trace_context(trace_id):
            body = self.app(environ, repeat)
        as_it_is: tuple[type, ...] = (list, tuple)
        if isinstance(wrapper := environ.get("wsgi.file_wrapper"), type):
            as_it_is += (wrapper,)  # the server sends the file itself
        return body if isinstance(body, as_it_is) else _Body(body, trace_id)


class _Body:
    """A response that is made piece by piece, each under its request's trace id."""

    def __init__(self, body: Iterable[bytes], trace_id: str) -> None:
        self._body = body
        self._pieces: Iterator[bytes] | None = None
        self._trace_id = trace_id

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        with self._scope():
            if self._pieces is None:
                self._pieces = iter(self._body)
            return next(self._pieces)

    def close(self) -> None:
        with self._scope():
            getattr(self._body, "close", lambda: None)()

    def _scope(self) -> Scope:
        return trace_context(self._trace_id)


def _read(parent: str, given: str) -> str | None:
    if found := _TRACEPARENT.fullmatch(parent.strip()):
        return normal_trace_id(found[1])
    given = given.strip()
    return normal_trace_id(given[:MAX_TRACE_CHARS]) if given else None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def _may_be_header(trace_id: str) -> bool:
    return trace_id.isascii() and trace_id.isprintable()
