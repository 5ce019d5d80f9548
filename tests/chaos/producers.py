"""Who writes: threads that append and repeat until Redis has answered, and real programs.

*Named* producers number their records one after the other and send each until it is accepted, so
the audit must name what is lost of theirs to the number. *Wanderers* send one record under a
number of its own and never again: of what got no answer either one row exists or none. *Specials*
carry what a fault wants to have sent.
"""

from __future__ import annotations

import itertools
import os
import queue
import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import redis

from clientlib import LogRecord, Producer, Redactor, make_record
from godot.errors import GodotError, StreamFull
from godot.settings import Settings
from godot.stream.append import Appender
from godot.stream.ids import StreamID
from tests.chaos.book import Book, Fields, Kind

LEVELS = ("TRACE", "DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR")
WORDS = (
    "order",
    "paid",
    "cache",
    "miss",
    "retry",
    "später",
    "naïve",
    "東京",
    "✓",
    "user-17",
    "slow",
)
QUIET = Redactor((), values=False)
STARTED_AT = "2026-01-01T00:00:00.000000Z"


def make(
    rng: random.Random, producer: Producer, component: str, *, ago: timedelta | None = None
) -> LogRecord:
    """Make a record such as a service writes; one in two hundred is large."""
    words = rng.choices(WORDS, k=rng.randint(1, 30))
    data: dict[str, object] | None = None
    if rng.random() < 0.8:
        data = {"n": rng.randint(-(2**40), 2**40), "ratio": rng.random(), "ok": rng.random() < 0.5}
        data["nested"] = {"list": [rng.randint(0, 9) for _ in range(rng.randint(0, 5))]}
        if rng.random() < 0.005:
            data["blob"] = "x" * rng.randint(1_000, 60_000)
    return make_record(
        component,
        rng.choice(LEVELS),
        " ".join(words),
        data,
        f"{rng.getrandbits(128):032x}" if rng.random() < 0.3 else None,
        created_at=None if ago is None else datetime.now(UTC) - ago,
        producer=producer,
        redactor=QUIET,
    )


class Thread(threading.Thread):
    """A producer's thread: `stop` ends its work, `abort` also its patience."""

    def __init__(self, name: str, settings: Settings, book: Book, seed: str) -> None:
        super().__init__(name=name, daemon=True)
        self.settings = settings
        self.book = book
        self.rng = random.Random(f"{seed}/{name}")
        self.stop = threading.Event()
        self.abort = threading.Event()
        self.error = ""

    def run(self) -> None:
        """Work; what ends it before its time is a finding, not a thread that is done."""
        try:
            self.work()
        except BaseException as exc:
            self.error = f"{self.name}: {type(exc).__name__}: {exc}"
            raise

    def work(self) -> None:
        raise NotImplementedError

    def deliver(self, appender: Appender, records: Sequence[LogRecord]) -> list[StreamID]:
        """Append the same records until Redis has answered for all of them."""
        while not self.abort.is_set():
            try:
                entries = appender.append(records)
            except GodotError as exc:
                self.book.failed(records, refused=isinstance(exc, StreamFull))
                self.abort.wait(self.rng.uniform(0.02, 0.3))
            else:
                self.book.accepted(records, entries)
                return entries
        return []


class Named(Thread):
    """Sends batches at a steady rate; with `announce` it is listed among the producers."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        book: Book,
        seed: str,
        *,
        rate: float,
        announce: bool,
    ) -> None:
        super().__init__(name, settings, book, seed)
        self._rate = rate
        self._announce = announce
        self.producer = Producer(self.rng.getrandbits(38))

    def work(self) -> None:
        with Appender(self.settings) as appender:
            while not self.stop.is_set() and not self.abort.is_set():
                began = time.monotonic()
                count = self.rng.choice((1, 1, 2, 5, 20, 60))
                self._send(appender, count)
                self.stop.wait(max(0.0, count / self._rate - (time.monotonic() - began)))
            self._send(appender, 1)  # whatever was lost before has a higher number after it

    def _send(self, appender: Appender, count: int) -> None:
        records = [make(self.rng, self.producer, self.name) for _ in range(count)]
        self.book.offer(records)
        if self._announce:
            self._say()
        self.deliver(appender, records)

    def _say(self) -> None:
        """Announce what is handed over, before it is, as one command of the client's batch."""
        client = redis.Redis.from_url(self.settings.redis_url, socket_timeout=2.0)
        try:
            announce(client, self.settings.stream, self.producer, self.name)
        except redis.RedisError:
            return
        finally:
            client.close()


class Wanderers(Thread):
    """Sends each record as a producer of its own, once."""

    def __init__(self, settings: Settings, book: Book, seed: str, *, pause_s: float) -> None:
        super().__init__("wanderer", settings, book, seed)
        self._pause_s = pause_s

    def work(self) -> None:
        with Appender(self.settings) as appender:
            while not self.stop.wait(self._pause_s):
                record = make(self.rng, Producer(self.rng.getrandbits(38)), self.name)
                self.book.offer([record], once=True)
                try:
                    entries = appender.append([record])
                except GodotError as exc:
                    self.book.failed([record], refused=isinstance(exc, StreamFull))
                else:
                    self.book.accepted([record], entries)


class Specials(Thread):
    """Sends what faults ask for: records of one kind, or raw entries without an id of ours."""

    def __init__(self, settings: Settings, book: Book, seed: str) -> None:
        super().__init__("special", settings, book, seed)
        self.producer = Producer(self.rng.getrandbits(38))
        self._queue: queue.SimpleQueue[tuple[list[LogRecord], list[Fields] | None]] = (
            queue.SimpleQueue()
        )
        self._marks = itertools.count()

    def send(
        self,
        records: Sequence[LogRecord],
        kind: Kind = Kind.STORED,
        fields: Sequence[Fields] | None = None,
    ) -> None:
        """Send records until they are accepted; `fields` are sent in their place when given."""
        self.book.offer(records, kind, fields)
        self._queue.put((list(records), None if fields is None else list(fields)))

    def send_foreign(self, count: int) -> None:
        """Send entries that carry no id, once each; each is a record of its own."""
        for _ in range(count):
            mark = f"foreign {self.producer.hex} {next(self._marks)}"
            fields = [(b"component", b"foreign"), (b"level", b"info"), (b"message", mark.encode())]
            self._queue.put(([], [fields]))

    def work(self) -> None:
        with Appender(self.settings) as appender:
            while not (self.stop.is_set() and self._queue.empty()) and not self.abort.is_set():
                try:
                    records, fields = self._queue.get(timeout=0.1)
                except queue.Empty:
                    continue
                if not records:
                    self._send_foreign(appender, (fields or [])[0])
                elif fields is None:
                    self.deliver(appender, records)
                else:
                    self._deliver_fields(appender, records, fields)
            last = [make(self.rng, self.producer, self.name)]
            self.book.offer(last)
            self.deliver(appender, last)

    def _send_foreign(self, appender: Appender, fields: Fields) -> None:
        mark = dict(fields)[b"message"].decode()
        try:
            entry = appender.append_fields([fields])[0]
        except StreamFull:
            return
        except GodotError:
            self.book.add_foreign(mark, None)
        else:
            self.book.add_foreign(mark, entry)

    def _deliver_fields(
        self, appender: Appender, records: list[LogRecord], fields: list[Fields]
    ) -> None:
        while not self.abort.is_set():
            try:
                entries = appender.append_fields(fields)
            except GodotError as exc:
                self.book.failed(records, refused=isinstance(exc, StreamFull))
                self.abort.wait(self.rng.uniform(0.02, 0.3))
            else:
                self.book.accepted(records, entries)
                return


def announce(client: redis.Redis, stream: str, producer: Producer, component: str) -> None:
    """List a producer as the client does: the highest number that it hands to Redis."""
    value = f"{producer.last} {component} chaos {os.getpid()} 0.1.0 {STARTED_AT} 0"
    client.hset(f"{stream}:producers", producer.hex, value)
