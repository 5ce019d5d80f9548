"""From the lines of files to batches in the stream, with flat memory and nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clientlib import LogRecord
from godot.delivery import Delivery
from godot.errors import StreamUnavailable
from godot.ingest.lines import RawLine, read_lines
from godot.ingest.pace import Pace
from godot.ingest.parser import Parser

BATCH_RECORDS = 500
BATCH_BYTES = 4 * 1024 * 1024
RETRY_S = 60.0  # how long a Redis that answered before may be away
RETRY_PAUSE_S = 0.5


@dataclass(slots=True)
class Tally:
    """What happened so far: lines and their bytes read, empty ones left out, records sent."""

    lines: int = 0
    bytes: int = 0
    skipped: int = 0
    unparsed: int = 0
    sent: int = 0


class Shipment:
    """Collects records and sends them in batches.

    An empty line is a record too, so that counting lines and counting rows agree; `skip_empty`
    leaves them out. `tally` is kept up to date, also when something raises. `tell` is for words to
    a person, `progress` is called after each read.
    """

    def __init__(
        self,
        delivery: Delivery,
        pace: Pace,
        tell: Callable[[str], None],
        tally: Tally,
        progress: Callable[[Tally], None] = lambda tally: None,
        *,
        skip_empty: bool = False,
    ) -> None:
        self.tally = tally
        self._skip_empty = skip_empty
        self._delivery = delivery
        self._pace = pace
        self._tell = tell
        self._progress = progress
        self._batch: list[LogRecord] = []
        self._bytes = 0

    def ship(self, fd: int, parser: Parser, name: str = "stdin") -> None:
        """Send every line of an open file or pipe; what a quiet pipe has brought goes at once."""
        before = parser.unparsed
        for lines in read_lines(fd, name=name):
            if not lines:
                self.flush()
            for raw in lines:
                self._take(raw, parser)
            self.tally.unparsed += parser.unparsed - before
            before = parser.unparsed
            self._progress(self.tally)
        self.flush()  # the next file may be one that cannot be read

    def _take(self, raw: RawLine, parser: Parser) -> None:
        self.tally.lines += 1
        self.tally.bytes += raw.size + 1
        if not raw.text:
            parser.blank()
            if self._skip_empty:
                self.tally.skipped += 1
                return
        record = parser.record(raw, self._delivery)
        self._batch.append(record)
        self._bytes += record.size()
        if len(self._batch) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is collected; raise StreamUnavailable when Redis stays away for RETRY_S.

        XADD is repeated with the same record ids, so a batch that arrived in part is harmless.
        """
        if not self._batch:
            return
        deadline = time.monotonic() + RETRY_S
        away = False
        while True:
            try:
                self._pace.wait_for_room(len(self._batch))
                self._delivery.send(self._batch)
                break
            except StreamUnavailable as exc:
                if not self.tally.sent or time.monotonic() > deadline:
                    raise
                if not away:
                    self._tell(f"{exc}; trying again for {RETRY_S:.0f} s")
                away = True
                time.sleep(RETRY_PAUSE_S)
        if away:
            self._tell("Redis is back")
        self.tally.sent += len(self._batch)
        self._batch.clear()
        self._bytes = 0
