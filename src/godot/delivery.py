"""Delivering records for whoever must know that they arrived: `logger_log`, `emit`, `ingest`.

A program's logger never waits and counts what it drops; here it is the other way round. The price
is a round trip to Redis for each batch.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from clientlib import (
    LogRecord,
    Producer,
    Redactor,
    configured_redactor,
    make_record,
    parse_record_id,
)
from godot import __version__
from godot.errors import GodotError, StreamFull, StreamUnavailable
from godot.settings import Settings
from godot.stream.append import Appender
from godot.stream.producers import ProducerInfo


class Delivery:
    """Makes records, redacted and numbered, and appends them to the stream.

    Not for several threads at once: a record that fails while a later one of the same producer
    succeeds leaves a hole in the sequence, and a hole is what a lost record looks like. For the
    same reason a producer is given up after a failure; what follows comes from a new one.
    """

    def __init__(self, settings: Settings, redactor: Redactor | None = None) -> None:
        self.redactor = redactor or configured_redactor()
        self.producer = Producer()
        self._started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._appender = Appender(settings)
        self._closed = False

    def make(
        self,
        component: str,
        message: str,
        level: str = "INFO",
        data: Mapping[str, object] | None = None,
        trace_id: str | None = None,
        created_at: datetime | None = None,
    ) -> LogRecord:
        """Return a record that is not sent yet; raise RecordError for what is none."""
        return make_record(
            component,
            level,
            message,
            data,
            trace_id,
            created_at=created_at,
            producer=self.producer,
            redactor=self.redactor,
        )

    def send(self, records: Sequence[LogRecord], *, whole: bool = False) -> None:
        """Return once Redis has every record; raise StreamUnavailable or StreamFull.

        With `whole` a refusal means that none of them is there (see `Appender.append`).

        XADD is repeated once, at once: the connection of a server that restarted fails on its first
        use, and a record that arrives twice is one record. The same records may be sent again
        after a failure; else call `give_up` before the next ones are made.
        """
        try:
            self._appender.append(records, whole=whole)
        except StreamFull:
            raise
        except StreamUnavailable:
            if self._closed:
                raise
            self._appender.append(records, whole=whole)
        if records:
            self._announce(records[-1])

    def _announce(self, newest: LogRecord) -> None:
        """Make our producer known; the records are safe already, so a failure here says nothing."""
        number = parse_record_id(newest.id)
        if number is None or number.producer != self.producer.number:
            return
        info = ProducerInfo(
            producer=self.producer.number,
            sent_sequence=number.sequence,
            component=newest.component,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            started_at=self._started_at,
            dropped=0,
        )
        with suppress(GodotError):
            self._appender.announce(info)

    def give_up(self) -> None:
        """Leave the records of a failed `send`: from here on another producer numbers them."""
        self.producer = Producer()

    def close(self) -> None:
        """End; a `send` that waits on another thread fails, and nobody waits for the server."""
        self._closed = True
        self._appender.close()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
