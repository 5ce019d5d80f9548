"""The connection to Redis: the only place in clientlib that knows redis-py.

redis-py brings the URL, TLS, authentication and unix sockets; commands come packed by hand, because
its pipeline costs ten times as much per record. Its automatic retries are off: only the sender
knows that an XADD with the same record id is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from clientlib import importing
from clientlib.keyrules import MASK
from clientlib.resp import bulk
from clientlib.turns import Turn

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from redis.connection import ConnectionInterface

CONNECT_TIMEOUT_S = 1.0
REPLY_TIMEOUT_S = 2.0
ASIDE_PATIENCE_S = 0.5  # for what is asked beside the records, which wait meanwhile
_TAKEN = {bytes, int}


class Answers(NamedTuple):
    """What became of the commands: None for one that was taken, else the server's reason.

    When the connection broke, `broken` says why, and replies are missing at the end: those commands
    may have been taken or not. `silent` says that it broke because the time for an answer was over.
    """

    replies: list[str | None]
    broken: str | None = None
    silent: bool = False


class Transport:
    """One connection, made when it is needed and dropped at the first sign of trouble."""

    def __init__(
        self, url: str, look_up: Callable[[], str] | None = None, turn: Turn | None = None
    ) -> None:
        self.url = url
        self._turn = turn or Turn()
        self._look_up = look_up  # asked before each connection, when nobody gave the URL
        self._connection: ConnectionInterface | None = None
        self._pool: Any = None
        # Without a time limit in the URL these hold; without any, a silent server would hold us up.
        self._timeouts_s = {
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": REPLY_TIMEOUT_S,
        }
        self.number = 0  # of connections made so far
        self.told = False  # the server has told something by itself, since this was last cleared
        self._next_arrived: Callable[[], object] = _nothing  # of the replies read from the socket
        self._nothing_arrived: object = None
        self._not_enough: object = None
        self._reply_error: type[Exception] = Exception
        self._timeout_error: type[Exception] = TimeoutError

    @property
    def place(self) -> str:
        """The server's address as it may be shown: no user, no password, no options."""
        parts = _split(self.url)
        where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
        return f"{parts.scheme}://{where}"

    def exchange(
        self,
        commands: list[bytes],
        patience_s: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Answers:
        """Send packed commands, connecting first if need be, and read one reply for each.

        `meanwhile` is done once they are sent, while the server works.

        A connection that was kept and turns out to be closed (the server restarted, or it and
        everything between close what is idle) is made anew once, and the commands are sent again:
        XADD with the same ids, HSET and PING are safe to repeat. `patience_s` shortens the wait for
        each step, for a program that is about to end.
        """
        kept = self._connection is not None
        answers = self._exchange(commands, patience_s, meanwhile)
        if kept and answers.broken and not answers.replies and not answers.silent:
            return self._exchange(commands, patience_s, None)
        return answers

    def _exchange(
        self,
        commands: list[bytes],
        patience_s: float | None,
        meanwhile: Callable[[], None] | None,
    ) -> Answers:
        replies: list[str | None] = []
        try:
            connection = self._connected(patience_s)
            read: Callable[[], object] = connection.read_response
            if patience_s is not None:
                read = partial(connection.read_response, timeout=patience_s)
            connection.send_packed_command([b"".join(commands)])  # type: ignore[no-untyped-call]  # redis-py
            if meanwhile is not None:
                meanwhile()
            while len(replies) < len(commands):
                try:
                    read()
                    replies.append(None)
                except self._reply_error as exc:
                    replies.append(self._reason(exc))
                self._take_arrived(replies)
        except Exception as exc:  # noqa: BLE001  # the URL, DNS, TLS, the socket, the protocol
            self.close()
            return Answers(replies, self._reason(exc), isinstance(exc, self._timeout_error))
        return Answers(replies)

    def _take_arrived(self, replies: list[str | None]) -> None:
        """Take the replies that came with one that was read: reading each costs ten times as much.

        Usually all of them say that a command was taken: an entry's id, or a number.
        """
        found = list(iter(self._next_arrived, self._nothing_arrived))
        if set(map(type, found)) <= _TAKEN:
            replies += [None] * len(found)
            return
        for reply in found:
            if isinstance(reply, self._reply_error):
                replies.append(self._reason(reply))
            elif isinstance(reply, Exception):
                raise reply
            elif isinstance(reply, list):  # told by the server by itself
                self._pushed(reply)
            else:
                replies.append(None)

    # -- beside the records: what fails here is silent, and costs at most the connection ---------

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def connect(self) -> bool:
        """Connect unless connected; say whether it worked."""
        try:
            self._connected(ASIDE_PATIENCE_S)
        except Exception:  # noqa: BLE001  # the URL, DNS, TLS, the socket, the protocol
            return False
        return True

    def hear(self) -> None:
        """Take in what the server told by itself; notice a connection that it closed."""
        try:
            while self._connection is not None and self._connection.can_read(0):
                self._connection.read_response(push_request=True, timeout=ASIDE_PATIENCE_S)
        except Exception:  # noqa: BLE001  # as above
            self.close()

    def subscribe(self, channel: str) -> bool:
        """Ask to be told; False where a subscription would take the connection for itself."""
        connection = self._connection
        if connection is None or str(getattr(connection, "protocol", 2)) != "3":
            return False
        return self._asked("SUBSCRIBE", channel, until=b"subscribe") is not None

    def mapping(self, *command: str) -> dict[str, str] | None:
        """Send one command and return the mapping it answers with; None when it does not."""
        reply = self._asked(*command)
        if isinstance(reply, list):  # RESP2 has no maps
            reply = dict(zip(reply[::2], reply[1::2], strict=True))
        if not isinstance(reply, dict):
            return None
        return {_text(name): _text(value) for name, value in reply.items()}

    def _asked(self, *command: str, until: bytes | None = None) -> object:
        """Return the reply, or of pushes the one that is waited for; None when there is none."""
        packed = b"*%d\r\n" % len(command) + b"".join([bulk(part.encode()) for part in command])
        try:
            connection = self._connected(ASIDE_PATIENCE_S)
            connection.send_packed_command([packed])  # type: ignore[no-untyped-call]  # redis-py
            while True:
                reply = connection.read_response(
                    push_request=until is not None, timeout=ASIDE_PATIENCE_S
                )
                if until is None or reply[0] == until:
                    return reply
        except self._reply_error:
            return None
        except Exception:  # noqa: BLE001  # as above
            self.close()
            return None

    def _pushed(self, message: list[bytes]) -> list[bytes]:
        self.told = self.told or message[0] == b"message"
        return message

    def close(self) -> None:
        """Drop the connection; nothing is sent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py
            except Exception:  # noqa: BLE001  # a socket that is gone already
                return

    def _connected(self, patience_s: float | None) -> ConnectionInterface:
        if self._connection is None:
            if self._look_up is not None and (url := self._look_up()) != self.url:
                self.url, self._pool = url, None
            if self._pool is None:
                self._pool = self._make_pool()
                given = self._pool.connection_kwargs
                for name, usual_s in self._timeouts_s.items():
                    self._timeouts_s[name] = given[name] or usual_s
            for name, usual_s in self._timeouts_s.items():
                timeout_s = usual_s if patience_s is None else min(usual_s, patience_s)
                self._pool.connection_kwargs[name] = timeout_s
            # not make_connection(): it counts them, and refuses for good after a hundred
            connection: ConnectionInterface = self._pool.connection_class(
                **self._pool.connection_kwargs
            )
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py
            parser = connection._parser  # type: ignore[attr-defined]  # no public way to its pushes
            if hasattr(parser, "set_pubsub_push_handler"):
                parser.set_pubsub_push_handler(self._pushed)
            # hiredis's, and no public way to it; without hiredis each reply is read by itself
            reader = getattr(parser, "_reader", None)
            self._next_arrived = _nothing if reader is None else reader.gets
            self._nothing_arrived = None if reader is None else self._not_enough
            self._connection = connection
            self.number += 1
        return self._connection

    def _make_pool(self) -> Any:
        redis = importing.redis(self._turn)
        self._reply_error, self._timeout_error = redis.ResponseError, redis.TimeoutError
        self._not_enough = redis._parsers.hiredis.NOT_ENOUGH_DATA
        return redis.ConnectionPool.from_url(
            self.url,
            **self._timeouts_s,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            driver_info=None,  # CLIENT SETINFO: two round trips that a producer's ACL may forbid
            maint_notifications_config=redis.maint_notifications.MaintNotificationsConfig(
                enabled=False
            ),
        )

    def _reason(self, exc: BaseException) -> str:
        text = " ".join(str(exc).split()) or type(exc).__name__
        code = getattr(exc, "status_code", None)  # without it a cluster's is only a number
        if isinstance(code, str) and code not in text:
            text = f"{code} {text}"
        from urllib.parse import unquote

        password = _split(self.url).password
        for spelling in (password, unquote(password or "")):
            if spelling:
                text = text.replace(spelling, MASK)
        return text[:200]


def _nothing() -> None:
    """Have no replies at hand."""


def _split(url: str) -> SplitResult:
    from urllib.parse import urlsplit  # there since the settings were read: nothing is loaded here

    return urlsplit(url)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
