"""The worker's life: start, read, sweep, stop.

Synchronous, one consumer per process: cancelling asyncio commands in mid-flight poisons
connections, and a batch of a thousand rows has nothing to gain from it. More throughput is more
processes.
"""

from __future__ import annotations

import gc
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from prometheus_client import CollectorRegistry

from dewey_logs import DeweyError, NotDurable, Store, exposition, open_store
from godot.errors import (
    GodotError,
    Refused,
    SettingsError,
    StreamFull,
    StreamLost,
    StreamUnavailable,
)
from godot.logs import get_logger
from godot.settings import Settings
from godot.stream import guard, pressure
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.keys import stream_key
from godot.stream.lease import Lease
from godot.stream.reclaim import RELEASE_FACTOR, Suspect
from godot.worker.batch import Pipeline
from godot.worker.breaker import Breaker
from godot.worker.deadline import Deadline
from godot.worker.decode import Decoder
from godot.worker.housekeeping import Housekeeping
from godot.worker.intake import BLOCK_MS, Intake, Read
from godot.worker.metrics import Reached, WorkerMetrics
from godot.worker.mirror import LevelMirror
from godot.worker.writing import Abandoned

log = get_logger(__name__)

SOLO_DEATHS = 3  # crashes an entry must cause alone before it is given up
YOUNG_OBJECTS = 20_000  # a few batches; nearly nothing of ours is ever part of a cycle
UNREAD_DEATHS = 2 * SOLO_DEATHS  # by then giving it up has killed, too: receiving it is enough
HELD_BATCHES = 10  # more than are ever in hand: written, waiting, asked for ahead, left by an error


def run(settings: Settings) -> int:
    """Run one worker until SIGTERM or SIGINT; return the process's exit code."""
    if settings.dewey_url is None:
        raise SettingsError(
            "DEWEY_URL is not set and no `godot up` runs here: allowed is postgresql://… or"
            " http(s)://…/mcp"
        )
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    gc.freeze()  # what is imported stays; looking through it again and again cost a tenth
    gc.set_threshold(YOUNG_OBJECTS)
    worker = Worker(settings, stop)
    server = exposition.serve(
        port=settings.metrics_port,
        host=settings.host,
        exposed_at=settings.metrics_host,
        role="worker",
        registry=worker.registry,
        ready=worker.ready,
        data_dir=settings.data_dir,
    )
    try:
        worker.run()
    finally:
        server.close()
    return 0


class Worker:
    """One consumer with its store, pipeline and sweep."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        assert settings.dewey_url is not None
        self.settings = settings
        self.stop = stop
        self.registry = CollectorRegistry()
        self.metrics = WorkerMetrics(self.registry, stream_key(settings.stream), settings.group)
        self.registry.register(Reached(self.ready))
        self.store: Store = open_store(
            settings.dewey_url,
            reader_url=settings.dewey_reader_url,
            token=settings.dewey_token,
            application_name="godot-worker",
            retention_days=settings.retention_days,
            statement_timeout_s=settings.reclaim_idle_ms / 3500,
        )
        name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._client = connect(settings, block_ms=BLOCK_MS)
        self._consumer = Consumer(self._client, stream_key(settings.stream), settings.group, name)
        self._breaker = Breaker()
        self._intake = Intake(settings, self._consumer, self.metrics, stop)
        self.metrics.at_once.set_function(lambda: self._intake.portion.records)
        self._housekeeping = Housekeeping(self._consumer, self.metrics, self.store)
        self._group_seen = False
        self._had_group = False
        self._lost_group = self._lost_stream = False
        self._last_cycle = time.monotonic()
        self._pipeline: Pipeline | None = None
        self._crashed = False

    def ready(self) -> dict[str, bool]:
        """Say what the worker can reach, from what it did last; asks nobody."""
        pipeline = self._pipeline
        away = pipeline is None or pipeline.store_is_away
        moved_at = max(self._last_cycle, pipeline.worked_at if pipeline else 0.0)
        stuck_s = time.monotonic() - moved_at
        return {
            "redis": self._group_seen and self._breaker.failures == 0,
            "store": not away,
            "progress": away or stuck_s < self.settings.reclaim_idle_ms / 1000 + BLOCK_MS / 1000,
        }

    def run(self) -> None:
        """Work until the stop event is set, then let go of everything in order."""
        lease = Lease(self.settings, self._consumer)
        deadline = Deadline(self.store, self.stop, self.settings.stop_timeout_s)
        levels = LevelMirror(self.settings, self.store)
        try:
            self._pipeline = self._connected_pipeline(lease, deadline.passed)
            if self._pipeline is None:
                return
            log.info("worker started", extra={"action": "start", "consumer": self._consumer.name})
            levels.start()
            self._last_cycle = time.monotonic()
            while not self.stop.is_set():
                self._guarded_cycle(self._pipeline)
            self._pipeline.settle(self._intake.rest())
        except Abandoned as exc:
            log.warning("batch abandoned", extra={"action": "abandon", "reason": str(exc)})
        except StreamUnavailable as exc:
            log.warning("stopping unacknowledged", extra={"action": "stop", "reason": str(exc)})
        except (GodotError, DeweyError):
            raise
        except BaseException:
            self._crashed = True
            raise
        finally:
            if self._pipeline is not None:
                self._pipeline.forget()
                self._pipeline.close()
            self._intake.rest()
            lease.close()
            deadline.close()
            levels.close()
            self._leave()
            self.store.close()
            close(self._client)

    def _connected_pipeline(self, lease: Lease, late: Callable[[], bool]) -> Pipeline | None:
        """Wait for the store; its accepted window is needed to read any record's time."""
        while not self.stop.is_set():
            try:
                self.store.check()
                window = self.store.window()
            except NotDurable:
                raise
            except DeweyError as exc:
                delay_s = self._breaker.failed()
                log.warning(
                    "store cannot be used yet",
                    extra={"action": "store_retry", "reason": str(exc)},
                )
                self._meanwhile()
                self.stop.wait(delay_s)
                continue
            self._breaker.succeeded()
            decoder = Decoder(
                self._consumer.stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds
            )
            return Pipeline(
                self._consumer,
                self.store,
                decoder,
                lease,
                self.metrics,
                self._intake.portion,
                max_bytes=self.settings.batch_max_bytes,
                stop=self.stop,
                late=late,
                meanwhile=self._meanwhile,
            )
        return None

    def _meanwhile(self) -> None:
        """Keep Redis from staying full while the store is away: producers do not wait for it."""
        with suppress(GodotError):  # the stream's own troubles come later
            self._housekeeping.relieve()

    def _guarded_cycle(self, pipeline: Pipeline) -> None:
        try:
            if not self._group_seen:
                self._ensure_group(pipeline)
            self._cycle(pipeline)
            self._breaker.succeeded()
            self._last_cycle = time.monotonic()
        except StreamLost as exc:
            pipeline.forget(deleted=True)
            self._intake.forget()
            self._group_seen = False
            self._lost_group = True
            self._lost_stream |= exc.stream_is_gone
            self._pause("stream or group is gone, making it again", exc)
        except Refused:
            raise
        except GodotError as exc:
            # a lost reply leaves its entries pending for us: they come first when Redis is back
            pipeline.forget()
            self._intake.expect_own()
            self._group_seen = False
            self._pause("stream cannot be used", exc)
        except DeweyError as exc:
            self._pause("store cannot be used yet", exc)

    def _pause(self, message: str, exc: GodotError | DeweyError) -> None:
        delay_s = self._breaker.failed()
        log.warning(
            message,
            extra={
                "action": "stream_retry",
                "reason": str(exc),
                "failures": self._breaker.failures,
            },
        )
        self.stop.wait(delay_s)

    def _ensure_group(self, pipeline: Pipeline) -> None:
        for warning in guard.check(self._client):
            log.warning(warning, extra={"action": "guard"})
        missing_ms = self._consumer.missing_at()
        if missing_ms is not None:  # kept before it is made again: another may be first to commit
            self.store.stream_gone(self._consumer.stream, missing_ms)
        try:
            created = self._consumer.ensure_group()
        except StreamFull:
            self._store_without_group(pipeline)
            return
        if created:
            self.metrics.group_recreated.inc()
            log.info("group created", extra={"action": "group_created"})
        if self._had_group and (created or self._lost_group):
            self._intake.expect_known()
        if self._lost_stream and missing_ms is None:
            pipeline.expect_another_stream()
        self._lost_group = self._lost_stream = False
        self._group_seen = self._had_group = True

    def _store_without_group(self, pipeline: Pipeline) -> None:
        """Make room in a full Redis that has no group: XGROUP CREATE is refused there.

        What is stored may be removed. Equal ids make it harmless that the group, once it exists,
        delivers some of it again.
        """
        found = self._consumer.oldest(self.settings.batch_max)
        if not found:
            raise StreamUnavailable("Redis is full, and not of our stream")
        pipeline.settle([Read(found, again=True)], acknowledge=False)
        if not pressure.trim_stored(self._client, self._consumer.stream, found[-1].id):
            raise StreamUnavailable("Redis is full, and another group holds on to the stream")
        log.warning(
            "Redis is full and the group is missing, entries stored without it",
            extra={"action": "store_without_group", "entries": len(found)},
        )

    def _cycle(self, pipeline: Pipeline) -> None:
        if not self._group_seen:
            return
        self._housekeeping.attend()
        pipeline.look_aside()
        if self.stop.is_set():
            return
        reads, suspects = self._intake.next()
        if reads:
            pipeline.settle(reads, defer=self._intake.backlog)
        if suspects or not reads:
            pipeline.finish()
        for suspect in suspects:
            self._look_at(suspect, pipeline)

    def _look_at(self, suspect: Suspect, pipeline: Pipeline) -> None:
        """Settle a suspect alone; only one that dies alone again and again is condemned."""
        unread = suspect.died_alone >= UNREAD_DEATHS
        sweep = self._intake.sweep
        entry = sweep.claim_unread(suspect) if unread else sweep.claim_alone(suspect)
        if entry is None:
            return
        before = self.settings.max_deliveries + suspect.died_alone
        if suspect.died_alone >= SOLO_DEATHS:
            pipeline.condemn(entry, before, unread=unread)
        else:
            pipeline.settle([Read([entry], again=True, deliveries=before + 1)])

    def _leave(self) -> None:
        """Give back what is still held, and delete the consumer when that is nothing."""
        try:
            held = self._consumer.held(self.settings.batch_max * HELD_BATCHES)
            # an orderly stop is no evidence against anything: their counts start again
            deliveries = None if self._crashed else 0
            self._consumer.release(held, self.settings.reclaim_idle_ms * RELEASE_FACTOR, deliveries)
            left = not held and self._consumer.leave()
            log.info(
                "worker stopped", extra={"action": "stop", "released": len(held), "left": left}
            )
        except GodotError as exc:
            log.warning("could not say goodbye", extra={"action": "stop", "reason": str(exc)})
