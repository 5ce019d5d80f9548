from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from clientlib import (
    TraceMiddleware,
    WSGITraceMiddleware,
    current_trace_id,
    trace_context,
    trace_headers,
    trace_id_from,
)
from tests.unit.clientlib.unsent import framed, idle_logger

HEX = "4bf92f3577b34da6a3ce929d0e0e4736"
UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
PARENT = f"00-{HEX}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("carrier", "found"),
    [
        ({}, None),
        (None, None),
        (7, None),
        ({"x-trace-id": ""}, None),
        ({"x-trace-id": None, "traceparent": 3}, None),
        ({"X-Trace-Id": "order-7"}, "order-7"),
        ({"x-trace-id": HEX.upper()}, UUID),
        ({"x-trace-id": "x" * 200}, "x" * 128),
        ({"traceparent": PARENT}, UUID),
        ({"x-trace-id": "order-7", "traceparent": PARENT}, UUID),
        ([(b"host", b"h"), (b"traceparent", PARENT.encode())], UUID),
        ({"traceparent": f"ff-{HEX}-00f067aa0ba902b7-01", "x-trace-id": "a"}, "a"),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, None),
        ({"traceparent": f"00-{HEX}-{'0' * 16}-01"}, None),
        ({"traceparent": "garbage", "x-trace-id": "a"}, "a"),
        ({"traceparent": f"{PARENT}0"}, None),
        ({"traceparent": f"{PARENT}-more"}, None),
        ({"traceparent": f"01{PARENT[2:]}-more"}, UUID),
        ({"progressToken": 1, "traceparent": PARENT}, UUID),  # an MCP request's _meta
    ],
)
def test_a_trace_id_is_read_from_headers_and_meta_and_never_invented(carrier, found):
    assert trace_id_from(carrier) == found


def test_what_is_carried_on_is_what_another_program_reads():
    assert trace_headers() == {}
    for given, read in ((HEX, UUID), ("order-7", "order-7")):
        with trace_context(given):
            carried = trace_headers()
        assert trace_id_from(carried) == read
    assert "traceparent" not in carried
    with trace_context(HEX):
        assert trace_headers()["traceparent"].startswith(f"00-{HEX}-")
    with trace_context("a\r\nSet-Cookie: b"):
        assert trace_headers() == {}


def run_asgi(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(TraceMiddleware(app)(scope, receive, send))
    return sent


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    body = json.dumps(await asyncio.to_thread(current_trace_id)).encode()
    await send({"type": "http.response.body", "body": body})


def test_an_asgi_request_is_handled_under_its_trace_id_and_the_response_repeats_it():
    headers = [(b"traceparent", PARENT.encode())]
    start, body = run_asgi(asgi_app, {"type": "http", "headers": headers})
    assert json.loads(body["body"]) == UUID
    assert start["headers"] == [(b"a", b"b"), (b"x-trace-id", UUID.encode())]
    assert current_trace_id() is None


@pytest.mark.parametrize("scope", [{"type": "http", "headers": []}, {"type": "lifespan"}])
def test_an_asgi_request_without_a_trace_id_gets_none(scope):
    start, body = run_asgi(asgi_app, scope)
    assert json.loads(body["body"]) is None
    assert start["headers"] == [(b"a", b"b")]


def run_wsgi(app: Any, **environ: Any) -> tuple[list[tuple[str, str]], list[bytes]]:
    answered: list[tuple[str, str]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        answered.extend(headers)

    body = WSGITraceMiddleware(app)(environ, start)
    pieces = list(body)
    getattr(body, "close", lambda: None)()
    return answered, pieces


def test_a_wsgi_response_is_produced_under_its_trace_id_and_repeats_it():
    seen: list[str | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("a", "b")])
        try:
            for _ in range(2):
                seen.append(current_trace_id())
                yield b"x"
        finally:
            seen.append(current_trace_id())

    headers, pieces = run_wsgi(app, HTTP_X_TRACE_ID="order-7")
    assert (headers, pieces) == ([("a", "b"), ("X-Trace-ID", "order-7")], [b"x", b"x"])
    assert seen == ["order-7"] * 3
    assert current_trace_id() is None


def test_a_wsgi_request_without_a_trace_id_and_bodies_that_need_no_wrapping_pass_as_they_are():
    class File(list[bytes]):
        """What a server would send by itself."""

    generator = (piece for piece in (b"x",))
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, generator),
        ({"HTTP_X_TRACE_ID": "a"}, [b"x"]),
        ({"HTTP_X_TRACE_ID": "a", "wsgi.file_wrapper": File}, File([b"x"])),
    ]
    for environ, body in cases:

        def app(environ: Any, start: Any, body: Any = body) -> Any:
            return body

        start: Any = None
        assert WSGITraceMiddleware(app)(environ, start) is body


def test_null_stays_null_and_an_explicit_id_wins():
    log = idle_logger("api")
    log.info("none")
    with trace_context(HEX):
        log.info("in force")
        log.info("given", trace_id="order-7")
    assert [record.get("trace_id") for record in framed(log)] == [None, UUID, "order-7"]
