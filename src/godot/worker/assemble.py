"""The worker's pipeline in a person's hands: `claim` and `replay` settle as a worker does.

There is one difference. A worker waits out an outage, because nobody is watching; a person is, so
the first failure of the store ends the command. What was not committed is not acknowledged then
either, and running the command again is safe.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from prometheus_client import CollectorRegistry

from dewey_logs import (
    Batch,
    DeweyError,
    LogRow,
    Prepared,
    SetBack,
    Store,
    TooLarge,
    TooSlow,
    WriteResult,
)
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.lease import Lease
from godot.worker.aside import size
from godot.worker.batch import Pipeline
from godot.worker.decode import Decoder
from godot.worker.metrics import WorkerMetrics
from godot.worker.portion import Portion


class Tally(msgspec.Struct):
    """What became of the records so far."""

    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    expired: int = 0
    cleared: int = 0

    def add(self, result: WriteResult) -> None:
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.rejected += len(result.rejects)
        self.expired += result.expired
        self.cleared += result.cleared


class _StoreFailed(GodotError):
    """Carries an error of the store past the pipeline, which would wait it out."""

    def __init__(self, reason: DeweyError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Impatient:
    """The store, counted, with the first failure as the end, unless a smaller batch may do."""

    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    def prepare(self, rows: Sequence[LogRow]) -> Prepared:
        return self._store.prepare(rows)

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult:
        try:
            result = self._store.write(batch, prepared)
        except DeweyError as exc:
            if isinstance(exc, TooLarge | TooSlow) and size(batch) > 1:
                raise  # for the pipeline, which divides it
            raise _StoreFailed(exc) from exc
        self._tally.add(result)
        return result

    def set_back(self, found: SetBack) -> bool:
        return self._store.set_back(found)

    def check(self) -> None:
        self._store.check()


class _NoLease(Lease):
    """Renews nothing: entries that are only read belong to whoever has them."""

    def __init__(self) -> None:
        """Start no thread."""

    def hold(self, ids: Sequence[StreamID], lasting: Sequence[StreamID] = ()) -> None:
        """Hold nothing."""

    def prolong(self) -> None:
        """Prolong nothing."""

    def in_doubt(self, asked_at: float) -> bool:
        """Doubt nothing."""
        return False

    def excuse(self) -> None:
        """Excuse nothing."""

    def close(self) -> None:
        """Stop nothing."""


@contextmanager
def pipeline(
    settings: Settings, consumer: Consumer, store: Store, tally: Tally, *, replay: bool = False
) -> Iterator[Pipeline]:
    """Give a pipeline that counts into `tally`; raises what the store raises, at once.

    For a `replay` nothing is leased; `settle` then takes acknowledge=False.
    """
    window = store.window()
    lease = _NoLease() if replay else Lease(settings, consumer)
    found = Pipeline(
        consumer,
        _Impatient(store, tally),
        Decoder(consumer.stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds),
        lease,
        WorkerMetrics(CollectorRegistry(), consumer.stream, consumer.group),
        Portion(settings.batch_max),
        max_bytes=settings.batch_max_bytes,
        stop=threading.Event(),
    )
    try:
        yield found
    except _StoreFailed as exc:
        raise exc.reason from None
    finally:
        found.forget()
        found.close()
        lease.close()
