"""An MCP server behind a tap on HTTP: a proxy for one address that notes what bodies carry.

Requests and answers keep their method, path, headers and bodies, but for what belongs to a single
connection, `Host`, which is the server's, and `Accept-Encoding`: what is compressed cannot be read
on the way. Events pass as they come. A thread for each connection, and one more for each stream, so
that a client that leaves one is noticed while nothing comes.
"""

from __future__ import annotations

import http.client
import itertools
import json
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult

from godot.tap.feed import Feed, Kind
from godot.tap.propagation import with_trace
from godot.tap.sse import Events

READ_BYTES = 1 << 16
LOOK_MS = 500  # how often a stream's watcher sees whether the stream is over
_OF_ONE_CONNECTION = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
    *("upgrade", "content-length", "host", "accept-encoding"),
}


class Proxy(ThreadingHTTPServer):
    """Listens on loopback and passes everything on to one server."""

    daemon_threads = True

    def __init__(self, port: int, to: SplitResult, feed: Feed, *, propagate: bool) -> None:
        super().__init__(("127.0.0.1", port), _Exchange)
        self.to = to
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

    def connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.to.scheme == "https" else None
        return (kind or http.client.HTTPConnection)(self.to.hostname or "", self.to.port)


class _Exchange(BaseHTTPRequestHandler):
    """One connection of a client: request after request."""

    server: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the records are the log."""

    def _pass_on(self) -> None:
        channel, feed = next(self.server.channels), self.server.feed
        body = self._body()
        if self.server.propagate and not self._traced():
            body = with_trace(body)
        about = {"method": self.command, "path": self.path, "headers": dict(self.headers.items())}
        feed.put(Kind.ABOUT, json.dumps(about).encode(), channel)
        if body:
            feed.put(Kind.TO_SERVER, one_line(body) + b"\n", channel)
        ending: dict[str, object] = {}
        upstream = self.server.connect()
        try:
            answer = self._asked(upstream, body)
            ending = {"status": answer.status, "headers": dict(answer.getheaders())}
            self._answer(upstream, answer, channel)
        except (OSError, http.client.HTTPException) as exc:
            self.close_connection = True
            if not ending:
                with suppress(OSError):
                    self.send_error(502, explain=f"{self.server.to.geturl()}: {exc}")
            ending["failed"] = f"{type(exc).__name__}: {exc}"
        finally:
            upstream.close()
            feed.put(Kind.ABOUT, json.dumps({"ended": ending}).encode(), channel)

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = do_PUT = do_PATCH = _pass_on

    def _traced(self) -> bool:
        return "traceparent" in self.headers or "x-trace-id" in self.headers

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(100)
        while self.rfile.readline(READ_BYTES).strip():  # trailers
            pass

    def _asked(self, upstream: http.client.HTTPConnection, body: bytes) -> http.client.HTTPResponse:
        to = self.server.to
        path = to.path if self.path == "/" and to.path else self.path
        upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        upstream.putheader("Host", to.netloc.rpartition("@")[2])
        for name, value in self.headers.items():
            if name.lower() not in _OF_ONE_CONNECTION:
                upstream.putheader(name, value)
        if body or self.command in ("POST", "PUT", "PATCH"):
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body or None)
        return upstream.getresponse()

    def _answer(
        self,
        upstream: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        channel: int,
    ) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        size = answer.getheader("Content-Length")
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        if size is not None:
            self.send_header("Content-Length", size)
        elif not bodiless:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if bodiless:
            return
        events = Events() if "event-stream" in answer.getheader("Content-Type", "") else None
        over = threading.Event()
        if events is not None and upstream.sock is not None:
            watching = (self.connection, upstream.sock, over)
            threading.Thread(target=_watch, args=watching, daemon=True).start()
        try:
            self._stream(answer, channel, events, framed=size is None)
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
        put = self.server.feed.put
        while chunk := answer.read1(READ_BYTES):
            noted = events.add(chunk) if events is not None else one_line(chunk)
            if noted:
                put(Kind.TO_CLIENT, noted, channel)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if framed else chunk)
        if events is None:
            put(Kind.TO_CLIENT, b"\n", channel)
        if framed:
            self.wfile.write(b"0\r\n\r\n")


def one_line(body: bytes) -> bytes:
    """Return JSON on one line: a line end in it is a blank, since in strings it is escaped."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


def _watch(client: socket.socket, upstream: socket.socket, over: threading.Event) -> None:
    """End the stream of a client that is gone."""
    poller = select.poll()
    with suppress(OSError, ValueError):  # either is closed already
        poller.register(client, getattr(select, "POLLRDHUP", select.POLLHUP))
        while not over.is_set():
            if poller.poll(LOOK_MS):
                upstream.shutdown(socket.SHUT_RDWR)
                return
