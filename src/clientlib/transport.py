"""The connection to Redis: the only place in clientlib that knows redis-py.

redis-py brings the URL, TLS, authentication and unix sockets; commands come packed by hand, because
its pipeline costs ten times as much per record. Its automatic retries are off: only the sender
knows that an XADD with the same record id is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from clientlib import importing
from clientlib.redaction import MASK

if TYPE_CHECKING:
    from redis.connection import ConnectionInterface

CONNECT_TIMEOUT_S = 1.0
REPLY_TIMEOUT_S = 2.0


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

    def __init__(self, url: str, look_up: Callable[[], str] | None = None) -> None:
        self.url = url
        self._look_up = look_up  # asked before each connection, when nobody gave the URL
        self._connection: ConnectionInterface | None = None
        self._pool: Any = None
        # Without a time limit in the URL these hold; without any, a silent server would hold us up.
        self._timeouts_s = {
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": REPLY_TIMEOUT_S,
        }
        self._reply_error: type[Exception] = Exception
        self._timeout_error: type[Exception] = TimeoutError

    @property
    def place(self) -> str:
        """The server's address as it may be shown: no user, no password, no options."""
        parts = urlsplit(self.url)
        where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
        return f"{parts.scheme}://{where}"

    def exchange(self, commands: list[bytes], patience_s: float | None = None) -> Answers:
        """Send packed commands, connecting first if need be, and read one reply for each.

        A connection that was kept and turns out to be closed (the server restarted, or it and
        everything between close what is idle) is made anew once, and the commands are sent again:
        XADD with the same ids, HSET and PING are safe to repeat. `patience_s` shortens the wait for
        each step, for a program that is about to end.
        """
        kept = self._connection is not None
        answers = self._exchange(commands, patience_s)
        if kept and answers.broken and not answers.replies and not answers.silent:
            return self._exchange(commands, patience_s)
        return answers

    def _exchange(self, commands: list[bytes], patience_s: float | None) -> Answers:
        replies: list[str | None] = []
        try:
            connection = self._connected(patience_s)
            read: Callable[[], object] = connection.read_response
            if patience_s is not None:
                read = partial(connection.read_response, timeout=patience_s)
            connection.send_packed_command([b"".join(commands)])  # type: ignore[no-untyped-call]  # redis-py
            for _ in commands:
                try:
                    read()
                    replies.append(None)
                except self._reply_error as exc:
                    replies.append(self._reason(exc))
        except Exception as exc:  # noqa: BLE001  # the URL, DNS, TLS, the socket, the protocol
            self.close()
            return Answers(replies, self._reason(exc), isinstance(exc, self._timeout_error))
        return Answers(replies)

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
            self._connection = connection
        return self._connection

    def _make_pool(self) -> Any:
        redis = importing.redis()
        self._reply_error, self._timeout_error = redis.ResponseError, redis.TimeoutError
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
        password = urlsplit(self.url).password
        for spelling in (password, unquote(password or "")):
            if spelling:
                text = text.replace(spelling, MASK)
        return text[:200]
