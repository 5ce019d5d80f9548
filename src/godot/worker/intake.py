"""What a worker takes on next: its own leftovers, somebody else's, or new entries.

A batch is what came within the window, or a full one at once; while there is a backlog it grows to
the maximum, and its bytes are bounded by the size of recent entries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from godot.errors import GodotError, StreamLost, StreamUnavailable
from godot.settings import Settings
from godot.stream.ahead import ReadAhead
from godot.stream.group import Consumer, Progress
from godot.stream.ids import ZERO
from godot.stream.reclaim import Suspect, Sweep
from godot.stream.replies import Entry
from godot.worker.metrics import WorkerMetrics
from godot.worker.portion import Portion

BLOCK_MS = 1_000  # how long an idle worker may take to notice that it should stop
WINDOW_SLICES = 10
UNSEEN_BYTES = 32_768.0  # what entries may have before any was seen: the first read is small


class Read(msgspec.Struct, frozen=True):
    """What one command delivered: consecutive entries, or ones that somebody has had before.

    `deliveries` is how often each was delivered, where the server's own count does not say it.
    `progress` is what the stream counted just after, or just before where somebody has had them,
    and not asked for later: it may be another stream by then. `asked_at` is when entries nobody has
    had were asked for, by the monotonic clock.
    """

    entries: Sequence[Entry]
    again: bool = False
    deliveries: int | None = None
    progress: Progress | None = None
    asked_at: float | None = None


class Intake:
    """Chooses and reads the next batch."""

    def __init__(
        self, settings: Settings, consumer: Consumer, metrics: WorkerMetrics, stop: threading.Event
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._metrics = metrics
        self._stop = stop
        self.sweep = Sweep(
            consumer,
            min_idle_ms=settings.reclaim_idle_ms,
            max_deliveries=settings.max_deliveries,
        )
        self.portion = Portion(settings.batch_max)
        self._ahead = ReadAhead(consumer)
        self._drain_own = False
        self._own_after = ZERO
        self._replaying = False
        self.backlog = False
        self._average_bytes: float | None = None

    def expect_own(self) -> None:
        """Look into our own pending list first: a reply was lost, and its entries with it."""
        self._ahead.give_up()
        self._drain_own = True
        self._own_after = ZERO

    def expect_known(self) -> None:
        """Take everything for known until caught up: the group began again at the beginning."""
        self._replaying = True

    def rest(self) -> list[Read]:
        """Return what was asked for ahead, for a worker that stops; nothing more becomes ours.

        What a peer may have taken over, stored and seen removed meanwhile is given back instead.
        """
        if not self._ahead.asked:
            return []
        late = self._waited_for_long
        try:
            reads = self._read_asked()  # at any rate: what is given back has to be ours by then
            return [] if late else reads
        except GodotError:
            return []
        finally:
            self._ahead.give_up()

    def forget(self) -> None:
        """Want nothing of what was asked for ahead: the stream it is of is gone."""
        self._ahead.give_up()

    def next(self) -> tuple[list[Read], Sequence[Suspect]]:
        """Return the next batch and the suspects to be looked at alone; both may be empty."""
        if self._ahead.asked and self._waited_for_long:
            self.expect_own()  # a peer may soon take them for left behind, or has done so
        if self._drain_own:
            progress = self._consumer.progress()
            own = self._consumer.read_own(self._count(self._settings.batch_max), self._own_after)
            if own:
                self._own_after = own[-1].id
                self._weigh(own)
                return [Read(own, again=True, progress=progress)], ()
            self._drain_own = False
        if self.sweep.due:
            progress = self._consumer.progress()
            page = self.sweep.page(self._count(self._settings.batch_max))
            self._weigh(page.entries)
            self._metrics.reclaimed(sum(not entry.trimmed for entry in page.entries))
            swept = Read(page.entries, again=True, progress=progress)
            return ([swept] if page.entries else []), page.suspects
        with self._metrics.stage("read"):
            reads = self._window()
        if not self.backlog:
            self._replaying = False
        return reads, ()

    @property
    def _waited_for_long(self) -> bool:
        """Say whether what was asked for may be reclaimed before the lease would be renewed."""
        return self._ahead.age_s > self._settings.reclaim_idle_ms / 4000

    def _window(self) -> list[Read]:
        settings = self._settings
        want = self._ahead.asked
        if not want:
            want = self._count(settings.batch_max if self.backlog else settings.batch_size)
            self._ahead.ask(want, BLOCK_MS)
        reads = self._read_asked()
        got = sum(len(read.entries) for read in reads)
        if 0 < got < want:
            deadline = time.monotonic() + settings.batch_timeout_ms / 1000
            pause_s = settings.batch_timeout_ms / 1000 / WINDOW_SLICES
            with suppress(StreamLost):  # by now we have the only copy; the next read says it again
                while got < want and not self._stop.wait(pause_s) and time.monotonic() < deadline:
                    more = self._read_new(want - got)
                    reads += more
                    got += sum(len(read.entries) for read in more)
        self.backlog = got >= want
        self._metrics.read(got)
        self._weigh([entry for read in reads for entry in read.entries])
        if self.backlog:
            with suppress(StreamUnavailable):  # what was read already is not to be lost for it
                self._ahead.ask(self._count(settings.batch_max))
        return reads

    def _read_new(self, count: int) -> list[Read]:
        asked_at = time.monotonic()
        entries = self._consumer.read_new(count, None)
        return [Read(entries, self._replaying, asked_at=asked_at)] if entries else []

    def _read_asked(self) -> list[Read]:
        asked_at = self._ahead.asked_at
        entries, progress = self._ahead.take()
        if not entries:
            return []
        return [Read(entries, self._replaying, progress=progress, asked_at=asked_at)]

    def _count(self, wanted: int) -> int:
        """Bound a read by what the store takes, and by bytes, by the size of recent entries."""
        average = UNSEEN_BYTES if self._average_bytes is None else self._average_bytes
        fitting = int(self._settings.batch_max_bytes / average)
        return max(1, min(wanted, fitting, self.portion.records))

    def _weigh(self, entries: Sequence[Entry]) -> None:
        size = sum([entry.size for entry in entries])
        if size:
            average = size / len(entries)
            known = average if self._average_bytes is None else self._average_bytes
            self._average_bytes = known + (average - known) / 4
