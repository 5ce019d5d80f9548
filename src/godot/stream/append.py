"""Appending for callers that must not drop: `logger_log`, `emit`, `ingest`.

Unlike a program's logger this waits for Redis and reports failure. Repeating a call is safe: the
records keep their ids, and equal ids are one record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import redis

from clientlib import LogRecord
from godot.settings import Settings
from godot.stream.connection import close, connect, forbidden, translated
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.producers import ProducerInfo, announce


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
        not send MULTI. Whether they arrived when the connection breaks nobody knows in either case.
        """
        entries = [record.fields() for record in records]
        with translated(self._client):
            if whole and len(records) > 1 and self._may_multi:
                try:
                    return self._executed(entries, transaction=True)
                except redis.ResponseError as exc:
                    if not (forbidden(exc) or "without MULTI" in str(exc)):
                        raise
                    self._may_multi = False  # what was sent has been done one by one
            return self._executed(entries, transaction=False)

    def append_fields(self, entries: Iterable[Sequence[tuple[bytes, bytes]]]) -> list[StreamID]:
        """Append entries given as raw fields."""
        with translated(self._client):
            return self._executed(entries, transaction=False)

    def _executed(
        self, entries: Iterable[Sequence[tuple[bytes, bytes]]], *, transaction: bool
    ) -> list[StreamID]:
        pipe = self._client.pipeline(transaction=transaction)
        for fields in entries:
            pipe.execute_command(  # type: ignore[no-untyped-call]  # redis-py's own
                *("XADD", self._key, "MAXLEN", "~", self._maxlen, "*"),
                *(part for pair in fields for part in pair),
            )
        replies = pipe.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, redis.RedisError):
                raise reply
        return [StreamID.parse(reply) for reply in replies]

    def announce(self, info: ProducerInfo) -> None:
        """Make a producer known, so that the audit misses its records even when all are trimmed."""
        announce(self._client, self._key, info)

    def close(self) -> None:
        close(self._client)

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
