"""Serving MCP: over HTTP on a socket of our own making, or over stdio.

The SDK's `run()` offers neither a limit for shutting down nor a say in how the socket is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from dewey_logs.errors import CannotListen
from dewey_logs.tools.caller import tag_log_lines
from dewey_logs.tools.connection import BACKLOG, Connection, make_room
from dewey_logs.tools.direct import Direct
from dewey_logs.tools.gate import Access, Gate
from dewey_logs.tools.hosts import BadHost, is_any, is_loopback
from dewey_logs.tools.requests import Counted
from dewey_logs.tools.strict import StrictServer

PATH = "/mcp"
STOP_S = 3  # for calls in hand; a client that never hangs up must not hold the process
YOUNG_OBJECTS = 10_000  # as many new objects until garbage is looked for: a call makes thousands
KEEP_ALIVE_S = 75  # a worker that has nothing to store for a while finds its connection again

Checks = Callable[[], Awaitable[dict[str, bool]]]


def allow(
    host: str, tokens_file: Path | None, allowed_hosts: tuple[str, ...], *, prefix: str
) -> Access:
    """Return who may come in at an address; raises CannotListen, or BadTokens for the file.

    `prefix` names the variables in errors (`GODOT` for GODOT_HOST and GODOT_MCP_PORT).
    """
    if tokens_file is None and not is_loopback(host):
        raise CannotListen(
            f"{prefix}_HOST={host} is not a loopback address: set GODOT_TOKENS_FILE (see: godot"
            " token --help), or bind 127.0.0.1, ::1 or localhost"
        )
    try:
        return Access(tokens_file=tokens_file, allowed_hosts=allowed_hosts, bound_to=host)
    except BadHost as exc:
        raise CannotListen(f"GODOT_ALLOWED_HOSTS: {str(exc)!r} is no host or host:port") from exc


def bind(host: str, port: int, *, prefix: str) -> socket.socket:
    """Return a listening socket; whether it may be had, `allow` says.

    The protocol is named because asyncio turns Nagle's algorithm off only where it is: 40 ms a call
    otherwise.
    """
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(128)
    except OSError as exc:
        bound.close()
        taken = exc.errno == errno.EADDRINUSE
        reason = "something else listens there already" if taken else exc.strerror
        raise CannotListen(f"{prefix}_MCP_PORT={port} cannot be used on {host}: {reason}") from exc
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the address at which clients on this machine reach the server."""
    host, port = bound.getsockname()[:2]
    if is_any(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}{PATH}" if ":" in host else f"http://{host}:{port}{PATH}"


def application(server: StrictServer, checks: Checks, access: Access) -> ASGIApp:
    """Return the web application: MCP, beside it the two health routes, and the gate before it."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def readyz(_: Request) -> Response:
        found = await checks()
        ready = all(found.values())
        return JSONResponse({"ready": ready, **found}, status_code=200 if ready else 503)

    server.custom_route("/livez", methods=["GET"])(livez)
    server.custom_route("/readyz", methods=["GET"])(readyz)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        max_request_body_size=access.max_body_bytes,
        # the gate does it, on every address and before a body is read
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    direct = Direct(app, server, PATH)
    return Counted(Gate(direct, access, server.metrics), server.metrics)


def configured(app: ASGIApp) -> uvicorn.Config:
    """Return how uvicorn is to serve an application."""
    return uvicorn.Config(
        app,
        http=Connection,
        backlog=BACKLOG,
        log_config=None,  # the process has set up its own, to stderr
        access_log=False,
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        lifespan="on",
    )


def serve_http(app: ASGIApp, bound: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT; calls in hand get STOP_S seconds."""
    tag_log_lines()
    gc.collect()
    gc.freeze()  # what is imported stays, and is not looked through again and again
    gc.set_threshold(YOUNG_OBJECTS)
    Connection.most = make_room()
    web = _Web(configured(app))
    with stopping(web.stop):
        asyncio.run(web.serve(sockets=[bound]))


def serve_stdio(server: StrictServer, close: Callable[[], object]) -> None:
    """Answer one client over stdin and stdout until it hangs up.

    After SIGTERM or SIGINT `close` is called and the process ends at once: a thread waits for
    stdin, nothing can wake it, and neither the event loop nor the interpreter ends without it.
    """

    tag_log_lines()

    def end() -> None:
        close()
        sys.stderr.flush()
        os._exit(0)

    with stopping(end):
        asyncio.run(server.run_stdio_async())


class _Web(uvicorn.Server):
    """uvicorn without its signal handling, which raises the signal again once it has shut down:
    that would end the process before it has put its things in order."""

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: stop())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
