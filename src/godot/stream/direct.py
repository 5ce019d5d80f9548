"""A connection for looks: questions in one round trip, without redis-py.

Importing redis-py takes longer than everything else that a command does to look at a stream. What
it would bring to that is little: a greeting, and replies that hiredis reads anyway. So a server
that is reached without TLS, by a URL that asks for nothing special, is asked from here. Whatever is
not as usual then (a server that is away, a login that is refused) raises `Unusual`: whoever asked
does it again over redis-py, which has a word for everything.
"""

from __future__ import annotations

import socket
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import msgspec

from godot.errors import StreamLost, StreamUnavailable

Command: TypeAlias = tuple[str | bytes | int, ...]

ANSWER_TIMEOUT_S = 5.0
LOST = ("NOGROUP", "UNBLOCKED", "no such key")
REFUSED = ("NOPERM", "unknown command")
CHUNK = 1 << 16  # bytes
NOT_YET = object()


class Unusual(Exception):
    """Something for redis-py."""


class Address(msgspec.Struct, frozen=True):
    """Where a server listens, `path` (a unix socket) or `host` and `port`, and who logs in."""

    path: str
    host: str
    port: int
    username: str
    password: str
    database: int


def address(url: str) -> Address | None:
    """Read a Redis URL as redis-py does; None for one that asks for more than is known here."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.scheme not in ("redis", "unix") or set(query) - {"db"}:
        return None
    if parts.username and not parts.password:
        return None
    path = unquote(parts.path)
    local = parts.scheme == "unix"
    (database,) = query.get("db", ["" if local else path.replace("/", "")])[:1]
    return Address(
        path=path if local else "",
        host=unquote(parts.hostname or "localhost"),
        port=parts.port or 6379,
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=int(database or 0),
    )


class Direct:
    """A connection that is made by the first questions; not for more than one thread."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._socket: socket.socket | None = None
        self._reader = _reader()

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def answers(self, *commands: Command) -> list[Any]:
        """Send commands in one round trip and return what `connection.ask_together` does.

        Raises Unusual, also for a reply that is another error, and StreamUnavailable for a server
        that does not answer in time: asking again would take as long again.
        """
        greeting = self._greeting() if self._socket is None else []
        asked = [_packed(command) for command in (*greeting, *commands)]
        try:
            if self._socket is None:
                self._socket, self._reader = self._connected(), _reader()
            self._socket.sendall(b"".join(asked))
            replies = [self._reply(self._socket) for _ in asked]
        except (OSError, hiredis.HiredisError) as exc:
            at = "connecting to server" if self._socket is None else "reading from socket"
            self.close()  # what still arrives would be taken for replies to the next questions
            if not isinstance(exc, TimeoutError):
                raise Unusual from exc
            raise StreamUnavailable(f"Redis cannot be used: Timeout {at}") from exc
        if any(isinstance(reply, hiredis.ReplyError) for reply in replies[: len(greeting)]):
            raise Unusual
        return list(map(_understood, commands, replies[len(greeting) :]))

    def _greeting(self) -> list[Command]:
        login = ("AUTH", self._server.username, self._server.password)
        hello: Command = ("HELLO", 3, *(login if self._server.password else ()), "SETNAME", "godot")
        return [hello, ("SELECT", self._server.database)] if self._server.database else [hello]

    def _connected(self) -> socket.socket:
        if self._server.path:
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(ANSWER_TIMEOUT_S)
            try:
                made.connect(self._server.path)
            except OSError:
                made.close()
                raise
            return made
        made = socket.create_connection((self._server.host, self._server.port), ANSWER_TIMEOUT_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _reply(self, connected: socket.socket) -> Any:
        while True:
            reply = self._reader.gets()
            if reply is NOT_YET:
                received = connected.recv(CHUNK)
                if not received:
                    raise ConnectionError("closed by the server")
                self._reader.feed(received)
            elif not isinstance(reply, hiredis.PushNotification):  # which answers nothing
                return reply


def _reader() -> hiredis.Reader:
    return hiredis.Reader(notEnoughData=NOT_YET)


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # any number of parts
    return packed


def _understood(command: Command, reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        text = str(reply).removeprefix("ERR ")
        if text.startswith(REFUSED):
            return None
        if text.startswith(LOST):
            return StreamLost(text)
        raise Unusual(text)
    return _section(reply) if command[0] == "INFO" else reply


def _section(reply: bytes) -> dict[str, int | str]:
    """Read a section of INFO; of its numbers only the whole ones are told apart."""
    lines = reply.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line and line[0] != "#")
    return {name: int(value) if value.isdecimal() else value for name, _, value in pairs}
