"""One batch from entries to acknowledgement: decode, one transaction, then XACK.

The order is the promise: nothing is acknowledged that is not committed. A crash in between means
that the entries come again, and the unique key makes them duplicates.

While there is a backlog two batches are under way, each on a thread and in a transaction of its
own: one is copied while the other is committed, and the next one is read and decoded meanwhile.
Waiting for PostgreSQL costs no GIL, and the overlap drains a backlog faster (docs/benchmarks.md).
What is settled is acknowledged by the thread that reads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from dewey_logs import (
    Batch,
    DeweyError,
    EntryRun,
    TooSlow,
    Unclassified,
    WriteResult,
)
from godot.errors import GodotError
from godot.logs import get_logger
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.lease import Lease
from godot.stream.replies import Entry
from godot.stream.setback import Readings
from godot.worker.aside import Aside, divided, is_alone
from godot.worker.compose import Composer
from godot.worker.decode import Decoder
from godot.worker.intake import Read
from godot.worker.metrics import WorkerMetrics
from godot.worker.portion import Portion
from godot.worker.sink import Sink
from godot.worker.writing import AT_ONCE, Abandoned, Writing, as_known

log = get_logger(__name__)

ACK_TRIES = 3
UNKNOWN_TRIES = 3  # of a batch, before the cause is sought among its records


class UnderWay(NamedTuple):
    """A batch that is being written."""

    result: Future[WriteResult]
    batch: Batch
    ids: Sequence[StreamID]


class Pipeline:
    """Settles what was read: stores it, then acknowledges it."""

    def __init__(
        self,
        consumer: Consumer,
        store: Sink,
        decoder: Decoder,
        lease: Lease,
        metrics: WorkerMetrics,
        portion: Portion,
        *,
        max_bytes: int,
        stop: threading.Event,
        late: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Make one; `meanwhile` is called now and then while the store keeps us waiting.

        `late` says whether a stop takes longer than it may: the store is not waited for then.
        """
        self._consumer = consumer
        self._store = store
        self._decoder = decoder
        self._composer = Composer(consumer, decoder, max_bytes)
        self._lease = lease
        self._metrics = metrics
        self._stop = stop
        self._writing = Writing(
            store,
            lease,
            metrics,
            portion,
            stop=stop,
            late=late,
            meanwhile=meanwhile,
        )
        self._meanwhile = meanwhile
        self._readings = Readings(consumer, self._writing.set_back)
        self._under_way: deque[UnderWay] = deque()  # the oldest first
        self._broke_off = False  # and no batch was written since
        self._aside = Aside()

    def expect_another_stream(self) -> None:
        """Say with the next batch that the stream was found gone: it may be another one now."""
        self._composer.expect_another_stream()

    @property
    def store_is_away(self) -> bool:
        return self._writing.store_is_away

    @property
    def worked_at(self) -> float:
        """When the store last took something, by the monotonic clock."""
        return self._writing.worked_at

    def settle(
        self, reads: Sequence[Read], *, acknowledge: bool = True, defer: bool = False
    ) -> None:
        """Store and acknowledge everything in `reads`.

        With `defer` the last batches may still be under way when this returns: `finish` ends them.
        Without `acknowledge` it is only stored: for entries read where no group can be.
        Waits out any outage of the store. Raises Abandoned when the worker has to stop meanwhile,
        and StreamUnavailable when the acknowledgement fails; the entries are then redelivered.
        """
        coming = [entry.id for read in reads for entry in read.entries]
        self._aside.drop(e.id for read in reads for e in read.entries if not e.trimmed)
        self._hold([*self._ids_under_way(), *coming])
        for part in self._composer.parts(reads):
            with self._metrics.stage("decode"):
                batch = self._composer.batch(part)
                prepared = self._store.prepare(batch.rows)
            committed = self._committed(AT_ONCE - 1)
            ids = [entry.id for read in part for entry in read.entries] if acknowledge else []
            # what is not acknowledged cannot be set aside either: its entries may be trimmed next
            patience = UNKNOWN_TRIES if acknowledge else None
            asked_at = min((read.asked_at for read in part if read.asked_at), default=None)
            written = self._writing.begin(batch, patience, prepared, asked_at)
            self._under_way.append(UnderWay(written, batch, ids))
            self._acknowledge(committed)
            if self._broke_off:  # by its first reading the ledger tells which stream it is now
                self._broke_off = False
                self._acknowledge(self._committed())
            self._readings.check()
        if defer:
            self._hold(self._ids_under_way())
        else:
            self.finish()

    def finish(self) -> None:
        """Wait for what is under way, acknowledge it, and hold nothing any more."""
        try:
            self._end()
        finally:
            self._hold(())

    def forget(self, *, deleted: bool = False) -> None:
        """Wait for what is under way without acknowledging it: its entries will come again.

        What was set aside is kept, since it may be the only copy by now, unless it was `deleted`
        with its stream. The next batch is written alone.
        """
        self._broke_off = True
        while self._under_way:
            result, batch, _ = self._under_way.popleft()
            if not self._writing.ended(result).exception():
                self._report(batch, result.result())
        if deleted:
            self._aside.drop(self._aside.entries)
        self._hold(())

    def close(self) -> None:
        """End the threads; nothing may be under way."""
        self._writing.close()

    def _end(self) -> None:
        self._acknowledge(self._committed())
        self._readings.check()

    def _committed(self, leaving: int = 0) -> Sequence[StreamID]:
        """Wait until no more than so many batches are under way.

        Return which of the entries of those that ended may be acknowledged. One that has to be
        taken apart waits until nothing is under way: only what is stored from then on is evidence
        against its records.
        """
        settled: list[StreamID] = []
        failed: list[UnderWay] = []
        while len(self._under_way) > (0 if failed else leaving):
            one = self._under_way.popleft()
            try:
                self._report(one.batch, self._writing.ended(one.result).result())
            except (Unclassified, TooSlow):
                failed.append(one)
            except Abandoned:
                self._acknowledge(settled)
                raise
            else:
                settled += one.ids
        if failed:
            self._acknowledge(settled)
            settled = []
        for one in failed:
            self._store_apart(one)
        return settled

    def _ids_under_way(self) -> list[StreamID]:
        return [one for batch in self._under_way for one in batch.ids]

    def _store_apart(self, one: UnderWay) -> None:
        """Store and acknowledge what can be stored of a batch, and set aside what fails alone.

        Larger parts come first, so that what is good is stored before there may be no room. Of one
        that only takes too long the beginning comes first: how small it has to be, tells for the
        rest, too.
        """
        whole = as_known(one.batch)  # no answer may mean that it was stored
        parts = deque([whole])
        stored = failed = 0  # failed: lone records since the last success, for want of room
        while parts:
            part = parts.popleft()
            alone = is_alone(part)
            # without a record to blame, or room for it, and nothing stored, it is an outage; so it
            # is for what is not acknowledged, which cannot be set aside
            outage = not part.rows or (alone and self._aside.full and not stored) or not one.ids
            try:
                result = self._writing.write(part, None if outage else 1)
            except TooSlow:
                parts.extendleft(reversed(divided(part)))
            except Unclassified as exc:
                if not alone:
                    parts.extend(divided(part))
                elif not self._aside.full:
                    self._aside.add(part, exc)
                else:
                    parts.append(part)
                    failed += 1
                    if failed >= len(parts):
                        self._await_room()
                        failed = 0
            else:
                stored += result.stored
                failed = 0
                self._report(part, result)
                if one.ids:
                    self._acknowledge(one.ids if part is whole else _entries(part))
        self._writing.worked()  # nothing is held up by the store any more

    def _await_room(self) -> None:
        """Let what is set aside be given up or stored, one round."""
        while not self._aside.due:
            self._meanwhile()
            if self._stop.wait(0.1):
                raise Abandoned("stopping with more records set aside than there is room for")
        self._try_aside()

    def look_aside(self) -> None:
        """Try what was set aside again, when that is due."""
        if self._aside.due:
            self._end()
            self._try_aside()

    def _try_aside(self) -> None:
        settled = []
        try:
            for entry, batch, result in self._aside.retry(self._writing.try_once):
                settled.append(entry)
                self._report(batch, result)
                if self._stop.is_set():
                    break
        except DeweyError as exc:
            log.warning("cannot look aside", extra={"action": "set_aside", "reason": str(exc)})
        self._acknowledge(settled)

    def _hold(self, ids: Sequence[StreamID]) -> None:
        self._lease.hold(ids, self._aside.entries)
        self._metrics.inflight.set(len(ids))

    def condemn(self, entry: Entry, deliveries: int, *, unread: bool = False) -> None:
        """Make a dead letter of an entry that killed every worker that had it alone.

        `unread`: of its fields the entry has its id at most, and the letter says why.
        """
        reason = f"delivered {deliveries} times and never survived: it kills workers"
        if unread:
            reason += " that only receive it, so its fields stay in the stream until it is trimmed"
        reject = self._decoder.reject(entry, reason, deliveries)
        batch = Batch(
            stream=self._consumer.stream,
            rejects=(reject,),
            runs=(EntryRun(entry.id, entry.id, 1, "again"),),
            maybe_known=True,
        )
        self._report(batch, self._writing.write(batch))
        self._acknowledge([entry.id])

    def _report(self, batch: Batch, result: WriteResult) -> None:
        self._metrics.committed(batch, result)
        self._readings.committed(batch, result)
        if result.stored:
            self._aside.others_stored()
        for reject in result.rejects:
            log.warning(
                "record rejected",
                extra={
                    "action": "reject",
                    "entry": reject.source.entry,
                    "reason": reject.reason[:300],
                },
            )

    def _acknowledge(self, ids: Sequence[StreamID]) -> None:
        """Acknowledge; XACK is safe to repeat, and a redelivery would only find duplicates."""
        for remaining in reversed(range(ACK_TRIES)):
            try:
                with self._metrics.stage("ack"):
                    acked = self._consumer.acknowledge(ids)
            except GodotError:
                if not remaining:
                    raise
            else:
                self._metrics.acked(len(ids), acked)
                return


def _entries(part: Batch) -> list[StreamID]:
    """Return the entries of a part, which stand one by one in it."""
    return [StreamID(*run.first) for run in part.runs]
