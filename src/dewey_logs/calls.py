"""Calling a tool of a Dewey behind HTTP: connections are kept, and each failure has one meaning.

Not the SDK's client, which lives in an event loop, where a worker has none: what a worker must know
is whether it was an outage, a body too large, or an answer. The protocol is the stateless one of
2026-07-28, one POST a call.

A call is repeated once, at once, where a kept connection turns out to be closed. That is safe for
whatever is called here: equal ids are one record, and the rest are questions, or can be done twice.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from dewey_logs.dialogue import FAILED, MAX_BODY_BYTES, Failure, error_of
from dewey_logs.errors import (
    BadAddress,
    DeweyError,
    SchemaProblem,
    TooLarge,
    Unanswered,
    Unavailable,
    Unclassified,
    Unreachable,
)

CONNECT_S = 5.0
PROTOCOL = "2026-07-28"
KEPT = 8  # idle connections
_META = (
    b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    b'"io.modelcontextprotocol/clientCapabilities":{}}'
)


class _Text(msgspec.Struct):
    text: str = ""


class _Result(msgspec.Struct, rename={"is_error": "isError", "meta": "_meta"}):
    content: tuple[_Text, ...] = ()
    is_error: bool = False
    meta: dict[str, msgspec.Raw] = {}


class _Problem(msgspec.Struct):
    message: str = ""


class _Reply(msgspec.Struct):
    result: _Result | None = None
    error: _Problem | str | None = None


_decode = msgspec.json.Decoder(_Reply).decode
_failure = msgspec.json.Decoder(Failure).decode


class Calls:
    """The tools of one Dewey; for any thread. Raises BadAddress for a URL that cannot be used."""

    def __init__(self, url: str, token: str | None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise BadAddress(f"DEWEY_URL cannot be read: {exc}") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadAddress("a Dewey's URL is http(s)://host:port/mcp, its token in DEWEY_TOKEN")
        self._secure = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, port
        self._path = parts.path or "/mcp"
        self._name = f"Dewey at {parts.netloc}"
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL,
            "Mcp-Method": "tools/call",
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._hung_up = 0  # how often

    def call(self, tool: str, arguments: bytes, *, timeout_s: float) -> str:
        """Return the text that a tool answers to arguments in JSON.

        Raises Unreachable when nobody is there, Unanswered when nothing is answered in time,
        TooLarge, Unavailable, SchemaProblem where the address or the token is to blame, or what the
        tool itself raised; Unclassified where that is not told.
        """
        body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%b",%b,' % (
            tool.encode(),
            _META,
        )
        body += b'"arguments":%b}}' % arguments
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"{len(body)} bytes")
        status, said = self._posted(body, {**self._headers, "Mcp-Name": tool}, timeout_s)
        return self._read(status, said)

    def hang_up(self) -> None:
        """End every call that waits: it raises Unreachable."""
        with self._lock:
            self._hung_up += 1
            for connection in self._busy:
                _shut(connection)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _posted(self, body: bytes, headers: dict[str, str], timeout_s: float) -> tuple[int, bytes]:
        before = self._hung_up
        while True:
            connection, used = self._taken()
            try:
                status, said = _exchange(connection, self._path, body, headers, timeout_s)
            except (OSError, http.client.HTTPException) as exc:
                late = isinstance(exc, TimeoutError) and connection.sock is not None
                self._given_back(connection, keep=False)
                stale = used and not isinstance(exc, TimeoutError) and before == self._hung_up
                if not stale:
                    kind = Unanswered if late else Unreachable
                    raise kind(f"{self._name} cannot be reached: {_reason(exc)}") from exc
                self.close()  # the others are no younger
            except BaseException:
                self._given_back(connection, keep=False)
                raise
            else:
                self._given_back(connection, keep=connection.sock is not None)
                return status, said

    def _taken(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it was used before."""
        with self._lock:
            used = bool(self._idle)
            connection = self._idle.pop() if used else self._made()
            self._busy.add(connection)
        return connection, used

    def _made(self) -> http.client.HTTPConnection:
        if self._secure is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=CONNECT_S, context=self._secure
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)

    def _given_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            keep = keep and len(self._idle) < KEPT
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _read(self, status: int, said: bytes) -> str:
        try:
            reply = _decode(said)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            reply = _Reply(error=f"HTTP {status}")
        problem = reply.error.message if isinstance(reply.error, _Problem) else reply.error or ""
        result = reply.result
        if status == 413:
            raise TooLarge(problem)
        if status >= 500 or status in (408, 429):
            raise Unavailable(f"{self._name} is not able to: {problem}")
        if status in (401, 403):
            raise SchemaProblem(f"{self._name} turns us away, see DEWEY_TOKEN: {problem}")
        if result is None and status == 200:
            raise Unavailable(f"{self._name} is not able to: {problem}")
        if result is None:
            raise SchemaProblem(f"{self._name} is not at DEWEY_URL as given: {problem}")
        text = result.content[0].text if result.content else ""
        if result.is_error:
            raise _raised(result, text)
        return text


def _exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: dict[str, str],
    timeout_s: float,
) -> tuple[int, bytes]:
    if connection.sock is None:
        connection.connect()
    connection.sock.settimeout(timeout_s)
    try:
        connection.request("POST", path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        # refused before all of it was sent, and the reason may have arrived: a body too large
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        with suppress(OSError, http.client.HTTPException):
            return answer.status, answer.read()
        return answer.status, b""
    answer = connection.getresponse()
    return answer.status, answer.read()


def _raised(result: _Result, text: str) -> DeweyError:
    raw = result.meta.get(FAILED)
    if raw is None:
        return Unclassified(None, text)
    return error_of(_failure(raw))


def _shut(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # not connected, or no longer
        connection.sock.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
