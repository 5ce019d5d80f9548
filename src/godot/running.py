"""What a wrapped program says, line by line, as records; see `godot run`.

The program is never held up: its output passes on at once, and a second process brings the lines to
the stream (tap/recorder.py). While Redis is away they wait there, up to the bound in tap/feed.py;
what is beyond that passed on all the same, and how much of it is not recorded a record says.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from clientlib import LogRecord
from godot.delivery import Delivery
from godot.errors import StreamUnavailable
from godot.ingest import Format, Pace, Parser, Splitter
from godot.settings import Settings
from godot.tap.feed import Kind, Piece, lost, pieces
from godot.tap.recorder import without_secrets

BATCH_RECORDS = 500
QUIET_S = 0.1  # until what has come goes
RETRY_S = 0.5
LAST_TRIES_S = 2.0  # after the program has ended, whose end is not to be held up
WAITING_PIECES = 256


class Lines:
    """Makes records of what a program writes to stdout and stderr."""

    def __init__(
        self, delivery: Delivery, component: str, form: Format, level: str, stderr_level: str
    ) -> None:
        self._delivery = delivery
        self._component = component
        self._splitters = {kind: Splitter(2**24) for kind in (Kind.TO_CLIENT, Kind.STDERR)}
        self._parsers = {
            Kind.TO_CLIENT: Parser(component, level, form),
            Kind.STDERR: Parser(component, stderr_level, form),
        }

    def of(self, piece: Piece) -> list[LogRecord]:
        """Return the records of the lines that a piece completes."""
        if piece.kind is Kind.LOST:
            _, size = lost(piece)
            return [self.say("output not recorded", {"bytes": size}, "WARN")]
        splitter = self._splitters.get(piece.kind)
        if splitter is None:
            return []
        parser = self._parsers[piece.kind]
        return [parser.record(raw, self._delivery) for raw in splitter.feed(piece.payload)]

    def rest(self) -> list[LogRecord]:
        """Return the records of last lines without an end."""
        return [
            self._parsers[kind].record(raw, self._delivery)
            for kind, splitter in self._splitters.items()
            for raw in splitter.rest()
        ]

    def say(self, message: str, data: Mapping[str, object], level: str = "INFO") -> LogRecord:
        """Return a record of our own."""
        return self._delivery.make(self._component, message, level, data)


class Sending:
    """Sends records, as long as it takes while the program runs, and for a while afterwards."""

    def __init__(
        self,
        delivery: Delivery,
        pace: Pace,
        tell: Callable[[str], None],
        ended: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery = delivery
        self._pace = pace
        self._tell = tell
        self._ended = ended
        self._clock = clock
        self._until: float | None = None
        self._complained = False
        self.unsent = 0

    def ending(self) -> None:
        """Say that the program has ended."""
        self._until = self._clock() + LAST_TRIES_S

    def send(self, records: list[LogRecord]) -> None:
        """Send, and empty the list; the same records again until Redis has them."""
        while records:
            try:
                self._pace.wait_for_room(len(records))
                self._delivery.send(records)
            except StreamUnavailable as exc:
                if self._until is None and self._ended():
                    self.ending()
                if self._until is not None and self._clock() > self._until:
                    self.unsent += len(records)
                    records.clear()
                    return
                if not self._complained:
                    self._tell(f"{exc}; what the program says waits to be recorded")
                    self._complained = True
                time.sleep(RETRY_S)
            else:
                records.clear()
                self._complained = False


def record(
    settings: Settings, form: Format, level: str, stderr_level: str
) -> Callable[[int, int, str, Mapping[str, object]], None]:
    """Return what the recording process does with what passes: see tap/recorder.py."""

    def recording(reading: int, _: int, component: str, about: Mapping[str, object]) -> None:
        waiting: queue.Queue[Piece | None] = queue.Queue(WAITING_PIECES)
        over, parent = threading.Event(), os.getppid()

        def ended() -> bool:  # who is still sending does not see the end of the queue
            return over.is_set() or os.getppid() != parent

        def read() -> None:
            for piece in pieces(reading):
                waiting.put(piece)
            over.set()
            waiting.put(None)

        threading.Thread(target=read, daemon=True).start()
        with Delivery(settings) as delivery:
            lines = Lines(delivery, component, form, level, stderr_level)
            sending = Sending(delivery, Pace(settings, _tell), _tell, ended)
            _all(waiting, lines, sending, without_secrets(about, delivery.redactor))
        if sending.unsent:
            _tell(f"{sending.unsent:,} records were NOT sent: Redis stayed away")

    return recording


def _all(
    waiting: queue.Queue[Piece | None],
    lines: Lines,
    sending: Sending,
    about: Mapping[str, object],
) -> None:
    began = time.monotonic()
    batch = [lines.say("program started", about)]
    ending: dict[str, object] = {"killed": True}  # nobody said how it ended
    while True:
        try:
            piece = waiting.get(timeout=QUIET_S)
        except queue.Empty:
            sending.send(batch)
            continue
        if piece is None:
            break
        if piece.kind is Kind.ABOUT:
            ending = msgspec.json.decode(piece.payload)
        batch += lines.of(piece)
        if len(batch) >= BATCH_RECORDS:
            sending.send(batch)
    sending.ending()
    batch += lines.rest()
    ending = {**about, **ending, "seconds": round(time.monotonic() - began, 3)}
    batch.append(lines.say("program ended", ending, "INFO" if _well(ending) else "ERROR"))
    sending.send(batch)


def _well(ending: Mapping[str, object]) -> bool:
    return ending.get("exit_status") == 0


def _tell(text: str) -> None:
    sys.stderr.write(f"godot: {text}\n")
    sys.stderr.flush()
