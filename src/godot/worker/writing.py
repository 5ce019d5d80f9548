"""The threads that store: they wait out what the store does, and are waited for within bounds.

An outage is waited out here, since nothing is ever discarded for one. Whoever waits for a thread
looks now and then at what else there is: producers need room in Redis, and a worker that has to
stop cannot wait for a PostgreSQL that does not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import msgspec

from dewey_logs import (
    Batch,
    DeweyError,
    Prepared,
    SetBack,
    TooLarge,
    TooSlow,
    Unclassified,
    Unreachable,
    WriteResult,
)
from godot.errors import GodotError
from godot.logs import get_logger
from godot.stream.lease import Lease
from godot.worker.aside import size
from godot.worker.breaker import Breaker
from godot.worker.metrics import WorkerMetrics
from godot.worker.portion import Portion
from godot.worker.sink import Sink

log = get_logger(__name__)

Answer = TypeVar("Answer")

AT_ONCE = 2  # batches: while one is being committed the other is copied
TICK_S = 0.2  # how often a wait for a thread looks at what else there is


class Abandoned(GodotError):
    """The worker must stop before the store came back; the entries were not acknowledged."""


class Writing:
    """Two writes at a time, on threads of their own; everything but the write is for one caller."""

    def __init__(
        self,
        store: Sink,
        lease: Lease,
        metrics: WorkerMetrics,
        portion: Portion,
        *,
        stop: threading.Event,
        late: Callable[[], bool],
        meanwhile: Callable[[], None],
    ) -> None:
        self._store = store
        self._lease = lease
        self._metrics = metrics
        self._portion = portion
        self._stop = stop
        self._late = late
        self._meanwhile = meanwhile
        self._breaker = Breaker()
        self._failing = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, "store")
        self.worked_at = time.monotonic()

    @property
    def store_is_away(self) -> bool:
        return self._breaker.failures > 0

    def begin(
        self,
        batch: Batch,
        patience: int | None = None,
        prepared: Prepared | None = None,
        asked_at: float | None = None,
    ) -> Future[WriteResult]:
        """Have a batch written until it is stored; the result raises Abandoned when stopping.

        Or Unclassified when that is the answer `patience` times in a row (None: never), and at once
        TooLarge when it cannot be sent, and TooSlow when there is more of it than the store takes
        in time. `asked_at` is when its entries were asked for, if nobody had them before.
        """
        return self._threads.submit(self._write, batch, patience, prepared, asked_at)

    def write(self, batch: Batch, patience: int | None = None) -> WriteResult:
        """Begin, and wait for the end."""
        return self.ended(self.begin(batch, patience)).result()

    def try_once(self, batch: Batch) -> WriteResult:
        """Write once; raises what the store raises."""
        try:
            result = self.ended(self._threads.submit(self._store.write, batch)).result()
        except DeweyError as exc:
            self._answered(exc)
            raise
        self._answered()
        return result

    def set_back(self, found: SetBack) -> bool:
        """Tell the store of a setback; see Store.set_back."""
        return self.ended(self._threads.submit(self._store.set_back, found)).result()

    def ended(self, written: Future[Answer]) -> Future[Answer]:
        """Wait for a thread that stores; a stop that waits too long has `Deadline` end it."""
        while not wait([written], TICK_S).done:
            self._meanwhile()
        return written

    def worked(self) -> None:
        """Note that the store works."""
        self._answered()
        if self._breaker.failures:
            log.warning("store is back", extra={"action": "store_back"})
        self._breaker.succeeded()
        self._metrics.store_worked()
        self.worked_at = time.monotonic()

    def close(self) -> None:
        """End the threads; nothing may be under way."""
        self._threads.shutdown()

    def _answered(self, error: DeweyError | None = None) -> None:
        """Keep hold of what is in hand for as long as the store answers, whatever it says."""
        if not isinstance(error, Unreachable):
            self._lease.prolong()

    def _write(
        self,
        batch: Batch,
        patience: int | None,
        prepared: Prepared | None,
        asked_at: float | None,
    ) -> WriteResult:
        """Write until it is stored; repeating is safe because equal ids are one record."""
        unknown = 0
        while True:
            if self._late():
                raise Abandoned("stopping before everything could be stored")
            if self._too_many(batch):
                raise TooSlow(f"{size(batch)} records at once are too many for a slow store")
            if asked_at is not None and self._lease.in_doubt(asked_at):
                batch = as_known(batch)
            try:
                with self._metrics.stage("write"):  # no answer is its failure, too
                    if self._breaker.open:
                        self._store.check()
                    result = self._timed(batch, prepared)
            except TooLarge:
                raise  # no outage, and no use in trying it again as it is
            except DeweyError as exc:
                delay_s = self._failed(exc, batch)
                if self._too_many(batch):
                    continue
                batch = as_known(batch)
                unknown = unknown + 1 if isinstance(exc, Unclassified) else 0
                if unknown == patience:
                    raise
            else:
                self.worked()
                return result
            if self._stop.wait(delay_s):
                time.sleep(min(delay_s, 0.2))

    def _timed(self, batch: Batch, prepared: Prepared | None) -> WriteResult:
        """Write, and learn how many records the store takes at once."""
        began = time.monotonic()
        try:
            result = self._store.write(batch, prepared)
        except TooSlow:
            self._portion.too_slow(size(batch), time.monotonic() - began)
            raise
        if self._portion.stored(size(batch), time.monotonic() - began):
            log.warning("store is quick again", extra={"action": "store_back"})
        return result

    def _failed(self, error: DeweyError, batch: Batch) -> float:
        """Note a failure, and say so; return the seconds to wait before the next try."""
        with self._failing:  # one of two that fail together is the first
            delay_s = self._breaker.failed()
            first = self._breaker.failures == 1
        if first:
            self._lease.excuse()
        self._answered(error)
        self._metrics.store_failed(self._breaker)
        more = {"reason": str(error), "records": size(batch)}
        if self._too_many(batch):
            more |= {"action": "store_slow", "at_once": self._portion.records}
            log.warning("store is slow, writing fewer records at once", extra=more)
        else:
            more |= {"action": "store_retry", "failures": self._breaker.failures}
            log.warning("store cannot be used, keeping the batch", extra=more)
        return delay_s

    def _too_many(self, batch: Batch) -> bool:
        return size(batch) > self._portion.records


def as_known(batch: Batch) -> Batch:
    """Return a batch that may have been stored before, and cleared since."""
    return msgspec.structs.replace(batch, maybe_known=True, heed_clears=True)
