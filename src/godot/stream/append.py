"""Appending for callers that must not drop: `logger_log`, `emit`, `ingest`.

Unlike a program's logger this waits for Redis and reports failure. Repeating a call is safe: the
records keep their ids, and equal ids are one record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis

from clientlib import LogRecord
from godot.settings import Settings
from godot.stream.connection import close, connect, forbidden, translated
from godot.stream.direct import Command
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.producers import ProducerInfo, announce

ABORTED = "Transaction discarded because of: "  # what EXEC says, and then why


class Appender:
    """Appends records to the stream, trimming the oldest like every producer does."""

    def __init__(self, settings: Settings) -> None:
        self._key = stream_key(settings.stream)
        self._maxlen = settings.maxlen
        self._client = connect(settings)
        self._may_multi = True

    def append(self, records: Sequence[LogRecord], *, whole: bool = False) -> list[StreamID]:
        """Append in one round trip; return the entries' ids in order, once Redis has them all.

        Raises StreamFull or StreamUnavailable; some of the records may be in the stream then. With
        `whole` none of them is when Redis refuses one: they are a transaction, unless this user may
        not make one. Whether they arrived when the connection breaks nobody knows in either case.
        """
        entries = [self._xadd(record.fields()) for record in records]
        with translated(self._client):
            replies = None
            if whole and len(entries) > 1 and self._may_multi:
                replies = self._executed(entries)
            return _ids(self._replies(entries) if replies is None else replies)

    def append_fields(self, entries: Iterable[Sequence[tuple[bytes, bytes]]]) -> list[StreamID]:
        """Append entries given as raw fields."""
        with translated(self._client):
            return _ids(self._replies(map(self._xadd, entries)))

    def _executed(self, entries: Sequence[Command]) -> list[Any] | None:
        """Append in a transaction; return the replies, None where this user may not make one.

        redis-py's own transactions say what was in the command that was refused, which is another
        caller's record, and not why EXEC was.
        """
        begun, *queued, ended = self._replies([("MULTI",), *entries, ("EXEC",)])
        if isinstance(begun, redis.ResponseError):  # then each has been done by itself
            self._may_multi = not forbidden(begun)
            return queued
        if isinstance(ended, list):
            return ended
        self._client.connection_pool.disconnect()  # it may stand inside the transaction still
        for reply in queued:
            if isinstance(reply, redis.ResponseError):
                raise reply
        reason = redis.ResponseError(str(ended).removeprefix(ABORTED))
        if not forbidden(reason):
            raise reason
        self._may_multi = False
        return None

    def _xadd(self, fields: Sequence[tuple[bytes, bytes]]) -> Command:
        head = ("XADD", self._key, "MAXLEN", "~", self._maxlen, "*")
        return (*head, *(part for pair in fields for part in pair))

    def _replies(self, commands: Iterable[Command]) -> list[Any]:
        """Send commands in one round trip; what was refused stands among the replies."""
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own
        return pipe.execute(raise_on_error=False)

    def announce(self, info: ProducerInfo) -> None:
        """Make a producer known, so that the audit misses its records even when all are trimmed."""
        announce(self._client, self._key, info)

    def close(self) -> None:
        close(self._client)

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ids(replies: Sequence[Any]) -> list[StreamID]:
    for reply in replies:
        if isinstance(reply, redis.RedisError):
            raise reply
    return [StreamID.parse(reply) for reply in replies]
