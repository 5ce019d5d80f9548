"""One batch from entries to acknowledgement: decode, one transaction, then XACK.

The order is the promise: nothing is acknowledged that is not committed. A crash in between means
that the entries come again, and the unique key makes them duplicates.

While a batch is being committed, on a thread of its own, the next one is read and decoded: waiting
for PostgreSQL costs no GIL, and the overlap drains a backlog a fifth faster (docs/benchmarks.md).
Never more than one batch is under way, and its acknowledgement is sent by the thread that reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from dewey_logs import Batch, DeweyError, EntryRun, LogRow, Reject, Store, WriteResult
from godot.errors import GodotError
from godot.logs import get_logger
from godot.stream.group import Consumer, Progress
from godot.stream.ids import StreamID
from godot.stream.lease import Lease
from godot.stream.replies import Entry
from godot.worker.breaker import Breaker
from godot.worker.decode import Decoder, receipt
from godot.worker.intake import Read
from godot.worker.metrics import WorkerMetrics

log = get_logger(__name__)

CHECKPOINT_EVERY_S = 1.0
ACK_TRIES = 3


class Abandoned(GodotError):
    """The worker must stop before the store came back; the entries were not acknowledged."""


class UnderWay(NamedTuple):
    """A batch that is being committed."""

    result: Future[WriteResult]
    batch: Batch
    ids: Sequence[StreamID]
    trimmed: int


class Pipeline:
    """Settles what was read: stores it, then acknowledges it."""

    def __init__(
        self,
        consumer: Consumer,
        store: Store,
        decoder: Decoder,
        lease: Lease,
        metrics: WorkerMetrics,
        *,
        max_bytes: int,
        stop: threading.Event,
        stop_timeout_s: float,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._decoder = decoder
        self._lease = lease
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._stop = stop
        self._stop_timeout_s = stop_timeout_s
        self._breaker = Breaker()
        self._thread = ThreadPoolExecutor(1, "store")
        self._under_way: UnderWay | None = None
        self._checkpoint_due = 0.0
        self._group_was_gone = False

    @property
    def store_is_away(self) -> bool:
        return self._breaker.failures > 0

    def settle(
        self, reads: Sequence[Read], *, acknowledge: bool = True, defer: bool = False
    ) -> None:
        """Store and acknowledge everything in `reads`.

        With `defer` the last batch may still be under way when this returns: `finish` ends it.
        Without `acknowledge` it is only stored: for entries read where no group can be.
        Waits out any outage of the store. Raises Abandoned when the worker has to stop meanwhile,
        and StreamUnavailable when the acknowledgement fails; the entries are then redelivered.
        """
        coming = [entry.id for read in reads for entry in read.entries]
        self._hold([*(self._under_way.ids if self._under_way else ()), *coming])
        for part in _split(reads, self._max_bytes):
            with self._metrics.stage("decode"):
                batch, trimmed = self._decoded(part)
            self._end()
            ids = [entry.id for read in part for entry in read.entries] if acknowledge else []
            self._under_way = UnderWay(self._thread.submit(self._write, batch), batch, ids, trimmed)
        if defer:
            self._hold(coming)
        else:
            self.finish()

    def finish(self) -> None:
        """Wait for the batch under way, acknowledge it, and hold nothing any more."""
        try:
            self._end()
        finally:
            self._hold(())

    def forget(self) -> None:
        """Wait for the batch under way without acknowledging it: its entries will come again."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None and not under_way.result.exception():
            self._report(under_way.batch, under_way.result.result(), under_way.trimmed)
        self._hold(())

    def close(self) -> None:
        """End the thread; nothing may be under way."""
        self._thread.shutdown()

    def _end(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        self._report(under_way.batch, under_way.result.result(), under_way.trimmed)
        with self._metrics.stage("ack"):
            self._acknowledge(under_way.ids)

    def _hold(self, ids: Sequence[StreamID]) -> None:
        self._lease.hold(ids)
        self._metrics.inflight.set(len(ids))

    def condemn(self, entry: Entry, deliveries: int) -> None:
        """Make a dead letter of an entry that killed every worker that had it alone."""
        reject = self._decoder.reject(
            entry, f"delivered {deliveries} times and never survived: it kills workers", deliveries
        )
        batch = Batch(
            stream=self._consumer.stream,
            rejects=(reject,),
            runs=tuple(_runs([entry], True)),
            maybe_known=True,
        )
        self._report(batch, self._write(batch), 0)
        self._acknowledge([entry.id])

    def _report(self, batch: Batch, result: WriteResult, trimmed: int) -> None:
        self._metrics.committed(batch, result, trimmed)
        for reject in result.rejects:
            log.warning(
                "record rejected",
                extra={
                    "action": "reject",
                    "entry": reject.source.entry,
                    "reason": reject.reason[:300],
                },
            )

    def _decoded(self, reads: Sequence[Read]) -> tuple[Batch, int]:
        rows: list[LogRow] = []
        rejects: list[Reject] = []
        runs: list[EntryRun] = []
        trimmed = 0
        for read in reads:
            present = [entry for entry in read.entries if not entry.trimmed]
            trimmed += len(read.entries) - len(present)
            for entry in present:
                decoded = self._decoder.decode(entry)
                if isinstance(decoded, LogRow):
                    rows.append(decoded)
                else:
                    rejects.append(decoded)
            runs.extend(_runs(present, read.again))
            runs.extend(EntryRun(e.id, e.id, 1, "vanished") for e in read.entries if e.trimmed)
        progress = self._checkpoint()
        # a peer may have made the group again before we missed it: a stream that still has its
        # first entry tells by that alone whether it is another one than at the last checkpoint
        first_tells = progress is not None and (self._group_was_gone or progress.whole)
        if progress:
            self._group_was_gone = False
        return Batch(
            stream=self._consumer.stream,
            rows=tuple(rows),
            rejects=tuple(rejects),
            dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
            runs=tuple(runs),
            maybe_known=any(read.again for read in reads),
            entries_added=progress.added if progress else None,
            last_generated=progress.last_generated if progress else None,
            first_entry=progress.first if progress and first_tells else None,
            floor=progress.floor if progress else None,
        ), trimmed

    def expect_another_stream(self, *, group_was_gone: bool) -> None:
        """Compare the stream's counters again with the next batch: it may be another one now."""
        self._checkpoint_due = 0.0
        self._group_was_gone |= group_was_gone

    def _checkpoint(self) -> Progress | None:
        if time.monotonic() < self._checkpoint_due:
            return None
        progress = self._consumer.progress()
        self._checkpoint_due = time.monotonic() + CHECKPOINT_EVERY_S
        return progress

    def _write(self, batch: Batch) -> WriteResult:
        """Write until it is stored; repeating is safe because equal ids are one record."""
        deadline = None
        while True:
            try:
                if self._breaker.open:
                    self._store.ping()
                with self._metrics.stage("write"):
                    result = self._store.write(batch)
            except DeweyError as exc:
                delay_s = self._breaker.failed()
                if self._breaker.failures == 1:
                    self._lease.excuse()
                self._metrics.store_failed(self._breaker)
                log.warning(
                    "store cannot be used, keeping the batch",
                    extra={
                        "action": "store_retry",
                        "reason": str(exc),
                        "failures": self._breaker.failures,
                        "records": len(batch.rows),
                    },
                )
                batch = msgspec.structs.replace(batch, maybe_known=True)
            else:
                if self._breaker.failures:
                    log.warning("store is back", extra={"action": "store_back"})
                self._breaker.succeeded()
                self._metrics.store_worked()
                return result
            if self._stop.wait(delay_s):
                deadline = deadline or time.monotonic() + self._stop_timeout_s
                if time.monotonic() >= deadline:
                    raise Abandoned("stopping before the store came back")
                time.sleep(min(delay_s, 0.2))

    def _acknowledge(self, ids: Sequence[StreamID]) -> None:
        """Acknowledge; XACK is safe to repeat, and a redelivery would only find duplicates."""
        for remaining in reversed(range(ACK_TRIES)):
            try:
                acked = self._consumer.acknowledge(ids)
            except GodotError:
                if not remaining:
                    raise
            else:
                self._metrics.acked(len(ids), acked)
                return


def _runs(entries: Sequence[Entry], again: bool) -> Iterator[EntryRun]:
    if again:
        for entry in entries:
            yield EntryRun(entry.id, entry.id, 1, "again")
    elif entries:
        yield EntryRun(entries[0].id, entries[-1].id, len(entries))


def _split(reads: Sequence[Read], max_bytes: int) -> Iterator[list[Read]]:
    """Cut what was read into transactions of bounded size; one large entry stands alone."""
    part: list[Read] = []
    room = max_bytes
    for read in reads:
        taken: list[Entry] = []
        for entry in read.entries:
            size = entry.size()
            if size > room and (taken or part):
                if taken:
                    part.append(Read(taken, read.again))
                yield part
                part, taken, room = [], [], max_bytes
            taken.append(entry)
            room -= size
        if taken:
            part.append(Read(taken, read.again))
    if part:
        yield part
