"""Reading new entries, and reading ahead: the next ones are asked for before they are needed.

What Redis takes to answer for a thousand entries is a fifth of what a worker takes to decode them.
Asked on a connection of its own, it does that meanwhile. The stream's counters are asked for behind
the entries, in one go: later they may be those of another stream, made while we were stopped.

What was asked for is ours from the moment Redis reads the question. So every question is either
taken, or given up in a way that its entries are found again, in our own pending list.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis

from godot.errors import StreamLost
from godot.stream.connection import translated
from godot.stream.group import Consumer, Progress, progress_of
from godot.stream.replies import Entry, read_entries


class ReadAhead:
    """At most one question under way, in the name of a consumer; for the thread that reads.

    redis-py sends and reads in one step but on a connection that is taken from its pool.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._connection: redis.Connection | None = None
        self.asked_at = 0.0  # by the monotonic clock
        self.asked = 0  # for how many entries; 0: nothing is under way

    @property
    def age_s(self) -> float:
        """How long ago the question was asked."""
        return time.monotonic() - self.asked_at

    def ask(self, count: int, block_ms: int | None = None) -> None:
        """Ask for up to `count` entries nobody has had yet, without waiting for the answer.

        Where there are none Redis waits up to `block_ms` for some (None: not).
        """
        block = () if block_ms is None else ("BLOCK", block_ms)
        commands = (self._consumer.reading(count, *block), *self._consumer.counting())
        self.asked_at = time.monotonic()
        with self._translated():
            if self._connection is None:
                self._connection = self._consumer.client.connection_pool.get_connection()
            packed = self._connection.pack_commands(commands)  # type: ignore[no-untyped-call]  # redis-py
            self._connection.send_packed_command(packed)  # type: ignore[no-untyped-call]  # redis-py
        self.asked = count

    def take(self) -> tuple[Sequence[Entry], Progress | None]:
        """Return what was asked for, and the stream's counters just after; raises as a read does.

        After an error nothing is under way any more, and entries may lie in our pending list. Where
        stream or group went directly after the read there are no counters: we have the only copy.
        """
        self.asked = 0
        found = read_entries(self._answer())
        try:
            return found, progress_of(self._answer(), self._answer())
        except StreamLost:
            if found:
                return found, None
            raise

    def _answer(self) -> Any:
        assert self._connection is not None
        with self._translated():
            return self._connection.read_response()

    def give_up(self) -> None:
        """Want nothing any more: what Redis made ours already stays in our pending list."""
        self.asked = 0
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(redis.RedisError, OSError):
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py
            self._consumer.client.connection_pool.release(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn redis-py's errors into Godot's, and give the question up for any."""
        try:
            with translated(self._consumer.client):
                yield
        except BaseException:
            self.give_up()
            raise
