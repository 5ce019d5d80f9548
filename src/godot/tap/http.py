"""An MCP server behind a tap on HTTP: a proxy for one address that notes what bodies carry.

Requests and answers keep their method, path, headers and bodies, but for what belongs to a single
connection, `Host`, which is the server's, `Accept-Encoding`, since what is compressed cannot be
read on the way, and a `Location` at the server, which would lead round the tap. Events pass as they
come. A thread for each connection, which has one to the server for as long as it lasts, and one
more for each stream. A client that leaves while it waits is noticed, and the server is left, too:
since 2026-07-28 that is how a call is cancelled.

The server sees its own name in `Host`, so the tap refuses other names than those of this machine: a
web page that has its own name lead here must not come through.
"""

from __future__ import annotations

import http.client
import itertools
import json
import select
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit

from godot.tap.feed import Feed, Kind
from godot.tap.propagation import with_trace
from godot.tap.sse import Events

READ_BYTES = 1 << 16
LOOK_MS = 500  # how often a stream's watcher sees whether the stream is over
_OF_ONE_CONNECTION = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
    *("upgrade", "content-length", "host", "accept-encoding", "expect"),
}
_THIS_MACHINE = (None, "127.0.0.1", "localhost", "::1")
_GONE = getattr(select, "POLLRDHUP", select.POLLHUP)


class Proxy(ThreadingHTTPServer):
    """Listens on loopback and passes everything on to one server."""

    daemon_threads = True
    request_queue_size = 128  # five, the default, make a sixth client wait a second

    def __init__(self, port: int, to: SplitResult, feed: Feed, *, propagate: bool) -> None:
        super().__init__(("127.0.0.1", port), _Exchange)
        self.to = to
        self.host = to.netloc.rpartition("@")[2]
        self.feed = feed
        self.propagate = propagate
        self.channels = itertools.count(1)

    def serve(self) -> signal.Signals:
        """Serve until a signal asks for the end; return which one."""
        wanted = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        found = signal.sigwait(wanted)
        self.shutdown()
        return signal.Signals(found)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that is gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.to.scheme == "https" else None
        return (kind or http.client.HTTPConnection)(self.to.hostname or "", self.to.port)


class _Exchange(BaseHTTPRequestHandler):
    """One connection of a client: request after request."""

    server: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._upstream = self.server.connect()

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the records are the log."""

    def _pass_on(self) -> None:
        try:
            if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _THIS_MACHINE:
                self.send_error(421, explain="the tap is for clients on this machine")
                return
            body = self._body()
        except ValueError as exc:
            self.send_error(400, explain=str(exc))
            return
        channel, feed = next(self.server.channels), self.server.feed
        if self.server.propagate:
            body = with_trace(body, self.headers.get)
        self._given = self.headers.items()
        about = {"method": self.command, "path": self.path, "headers": dict(self._given)}
        feed.put(Kind.ABOUT, json.dumps(about).encode(), channel)
        if body:
            feed.put(Kind.TO_SERVER, one_line(body) + b"\n", channel)
        ending: dict[str, object] = {}
        try:
            answer = self._asked(body)
            headers = answer.getheaders()
            ending = {"status": answer.status, "headers": dict(headers)}
            self._answer(answer, headers, channel)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            self._upstream.close()
            self.close_connection = True
            if not ending:
                with suppress(OSError):
                    self.send_error(502, explain=f"{self.server.host}: {exc}")
            ending["failed"] = f"{type(exc).__name__}: {exc}"
        finally:
            if _has(self.connection, _GONE):
                ending["left"] = True
            feed.put(Kind.ABOUT, json.dumps({"ended": ending}).encode(), channel)

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = do_PUT = do_PATCH = _pass_on

    def _body(self) -> bytes:
        """Return all of it; raises ValueError when the client left before, or miscounts."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        return self._exactly(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            yield self._exactly(size)
            self.rfile.readline(100)
        while self.rfile.readline(READ_BYTES).strip():  # trailers
            pass

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(max(size, 0))
        if len(body) != size:
            raise ValueError(f"the body has {len(body)} bytes of {size}")
        return body

    def _asked(self, body: bytes) -> http.client.HTTPResponse:
        upstream = self._upstream
        if upstream.sock is not None and _has(upstream.sock, select.POLLIN):
            upstream.close()  # it hung up meanwhile
        if upstream.sock is None:
            upstream.connect()
        self._wire = upstream.sock  # which a server that will hang up takes out of there
        upstream.putrequest(self.command, self._path(), skip_host=True)
        upstream.putheader("Host", self.server.host)
        for name, value in self._given:
            if name.lower() not in _OF_ONE_CONNECTION:
                upstream.putheader(name, value)
        if body or self.command in ("POST", "PUT", "PATCH"):
            upstream.putheader("Content-Length", str(len(body)))
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have refused it unread
            upstream.endheaders(body or None)
        self._wait()
        # what can be read from TLS may be less than an answer
        with self._watched() if isinstance(self._wire, ssl.SSLSocket) else nullcontext():
            return upstream.getresponse()

    def _path(self) -> str:
        """Return what is asked for; at the tap's own address, and at its root, it is the server."""
        to = self.server.to
        path, _, query = self.path.partition("?")
        if path not in ("/", to.path):
            return self.path
        query = "&".join(filter(None, (to.query, query)))
        return f"{to.path or '/'}?{query}" if query else to.path or "/"

    def _wait(self) -> None:
        """Wait for an answer; raises ConnectionAbortedError when the client leaves before."""
        poller = select.poll()
        poller.register(self._wire, select.POLLIN)
        poller.register(self.connection, _GONE)
        if self._wire.fileno() not in dict(poller.poll()):
            raise ConnectionAbortedError("the client left")

    def _answer(
        self, answer: http.client.HTTPResponse, headers: Sequence[tuple[str, str]], channel: int
    ) -> None:
        self.send_response_only(answer.status, answer.reason)
        origin = f"{self.server.to.scheme}://{self.server.host}"
        for name, value in headers:
            if name.lower() == "location" and value.startswith(f"{origin}/"):
                value = value.removeprefix(origin)
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        size = None if answer.chunked else answer.getheader("Content-Length")
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        framed = not bodiless and size is None and self.request_version != "HTTP/1.0"
        if self.request_version == "HTTP/1.0":
            self.send_header("Connection", "close")  # an end that it understands
        if size is not None:
            self.send_header("Content-Length", size)
        elif framed:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kind = answer.getheader("Content-Type", "").lower()
        events = Events() if "event-stream" in kind else None
        with nullcontext() if events is None else self._watched():
            if not bodiless:
                self._stream(answer, channel, events, framed=framed)
            answer.read()  # nothing is left; the connection is free again

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Leave the server as soon as the client leaves."""
        over = threading.Event()
        watching = (self.connection, self._wire, over)
        threading.Thread(target=_watch, args=watching, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _stream(
        self,
        answer: http.client.HTTPResponse,
        channel: int,
        events: Events | None,
        *,
        framed: bool,
    ) -> None:
        """Pass the body on; raises HTTPException when the server ends before the body does."""
        put = self.server.feed.put
        while chunk := answer.read1(READ_BYTES):
            noted = events.add(chunk) if events is not None else one_line(chunk)
            if noted:
                put(Kind.TO_CLIENT, noted, channel)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if framed else chunk)
        if events is None:
            put(Kind.TO_CLIENT, b"\n", channel)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        if framed:
            self.wfile.write(b"0\r\n\r\n")


def one_line(body: bytes) -> bytes:
    """Return JSON on one line: a line end in it is a blank, since in strings it is escaped."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


def _has(connection: socket.socket, events: int) -> bool:
    """Say whether any of these has happened to a connection."""
    poller = select.poll()
    try:
        poller.register(connection, events)
    except (OSError, ValueError):  # closed already
        return True
    return bool(poller.poll(0))


def _watch(client: socket.socket, upstream: socket.socket, over: threading.Event) -> None:
    """End the stream of a client that is gone."""
    poller = select.poll()
    with suppress(OSError, ValueError):  # either is closed already
        poller.register(client, _GONE)
        while not over.is_set():
            if poller.poll(LOOK_MS):
                upstream.shutdown(socket.SHUT_RDWR)
                return
