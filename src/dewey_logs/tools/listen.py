"""Serving MCP: over HTTP on a socket of our own making, or over stdio.

The SDK's `run()` offers neither a limit for shutting down nor a say in how the socket is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dewey_logs.errors import DeweyError
from dewey_logs.tools.strict import StrictServer

PATH = "/mcp"
STOP_S = 3  # for calls in hand; a client that never hangs up must not hold the process
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

Checks = Callable[[], Awaitable[dict[str, bool]]]


class CannotListen(DeweyError):
    """An address that cannot be bound, or must not be; the message names the variable."""


def bind(host: str, port: int, *, prefix: str) -> socket.socket:
    """Return a listening socket on a loopback address.

    `prefix` names the variables in errors (`GODOT` for GODOT_HOST and GODOT_MCP_PORT). The protocol
    is named because asyncio turns Nagle's algorithm off only where it is: 40 ms a call otherwise.
    """
    if not is_loopback(host):
        raise CannotListen(
            f"{prefix}_HOST={host} is not a loopback address: without tokens, which are not built"
            " yet, only 127.0.0.1, ::1 or localhost may be bound"
        )
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


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address; of names only localhost can be one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(bound: socket.socket) -> str:
    """Return the address at which clients reach the server."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}{PATH}" if ":" in host else f"http://{host}:{port}{PATH}"


def application(server: StrictServer, checks: Checks) -> Starlette:
    """Return the web application: MCP, and beside it the two health routes.

    Host and Origin are checked, or any web page could talk to a server on loopback by giving its
    own name that address. The health routes stand outside of that and answer booleans only.
    """

    async def livez(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def readyz(_: Request) -> Response:
        found = await checks()
        ready = all(found.values())
        return JSONResponse({"ready": ready, **found}, status_code=200 if ready else 503)

    server.custom_route("/livez", methods=["GET"])(livez)
    server.custom_route("/readyz", methods=["GET"])(readyz)
    hosts = [form for name in LOOPBACK_NAMES for form in (name, f"{name}:*")]
    return server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=hosts,
            allowed_origins=[f"http://{host}" for host in hosts],
        ),
    )


def serve_http(app: Starlette, bound: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT; calls in hand get STOP_S seconds."""
    web = _Web(
        uvicorn.Config(
            app,
            log_config=None,  # the process has set up its own, to stderr
            access_log=False,
            timeout_graceful_shutdown=STOP_S,
            lifespan="on",
        )
    )
    with stopping(web.stop):
        asyncio.run(web.serve(sockets=[bound]))


def serve_stdio(server: StrictServer, close: Callable[[], object]) -> None:
    """Answer one client over stdin and stdout until it hangs up.

    After SIGTERM or SIGINT `close` is called and the process ends at once: a thread waits for
    stdin, nothing can wake it, and neither the event loop nor the interpreter ends without it.
    """

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
