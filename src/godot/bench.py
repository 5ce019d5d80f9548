"""What the configured servers take: appending, storing, finding and removing records, each timed.

Records are appended to a stream of their own, which no worker reads and no audit counts. They are
stored in the real log, because how long that takes depends on its size, its indexes and on who else
uses it; under a component of their own, by which they are removed in the end, however it ends. What
stays is what every clear leaves: a record that tells of it, and a few rows of the ledger.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TypeAlias

import msgspec

from clientlib import LogRecord, Producer, make_record
from dewey_logs import Answer, DeweyError, LogFilter, Page, QueryTimeout, Store
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream.append import Appender
from godot.stream.connection import ask, close, connect
from godot.stream.group import Consumer
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Read

LEAST_RECORDS = 1_000
ALONE = 200  # records that are appended one by one, the others in portions
PORTION = 100
SMALL_BATCHES = 10  # of GODOT_BATCH_SIZE, the others of GODOT_BATCH_MAX
RECORDS_A_TRACE = 10
ASKED = 20  # times each question

Question: TypeAlias = Callable[[int], Answer | Page | None]


class Figure(msgspec.Struct, frozen=True):
    """One thing that was done `times` times, how long once took, and what that makes a second.

    `per_s` counts records, or answers. `incomplete` are the answers that the store's limit of time
    cut short: a complete one takes longer than these figures say.
    """

    what: str
    times: int
    per_s: float
    p50_ms: float
    p99_ms: float
    incomplete: int = 0


class Trial:
    """A stream and a component of their own on the configured servers, for one measurement."""

    def __init__(self, settings: Settings, store: Store, records: int) -> None:
        self.component = f"bench-{secrets.token_hex(4)}"
        self.stream = f"{settings.stream}:{self.component}"
        self.records = records
        self.left: list[str] = []
        self._store = store
        self._settings = msgspec.structs.replace(
            settings, stream=self.stream, group="bench", maxlen=max(settings.maxlen, 2 * records)
        )
        self._traces = [uuid.uuid4().hex for _ in range(1 + records // RECORDS_A_TRACE)]
        self._appending = self._storing = False

    @property
    def steps(self) -> int:
        """Return how many steps `run` tells of."""
        return 3 * self.records + ASKED * len(self._questions())

    def check(self) -> None:
        """Return when both servers can be used; raises what they raise."""
        client = connect(self._settings)
        try:
            ask(client, "TIME")
        finally:
            close(client)
        self._store.check()

    def run(self, advance: Callable[[int], None], asked_by: str) -> list[Figure]:
        """Measure everything and remove what that left; what could not be removed is in `left`.

        Raises what the servers raise, the first failure ends it.
        """
        figures: list[Figure] = []
        try:
            figures += self._appended(advance)
            figures += self._stored(advance)
            figures += self._found(advance)
        finally:
            figures += self._removed(advance, asked_by)
        return figures

    def _appended(self, advance: Callable[[int], None]) -> Iterator[Figure]:
        made = self._made()
        portions = {
            "append, one by one": [[record] for record in made[:ALONE]],
            f"append, {PORTION} at a time": [
                made[at : at + PORTION] for at in range(ALONE, len(made), PORTION)
            ],
        }
        self._appending = True
        with Appender(self._settings) as appender:
            for what, parts in portions.items():
                seconds = []
                for part in parts:
                    began = time.perf_counter()
                    appender.append(part)
                    seconds.append(time.perf_counter() - began)
                    advance(len(part))
                yield _figure(what, seconds, sum(map(len, parts)))

    def _made(self) -> list[LogRecord]:
        """Make records of about 300 bytes an entry, as a service would write them."""
        producer = Producer()
        return [
            make_record(
                self.component,
                ("INFO", "INFO", "INFO", "DEBUG", "WARN")[i % 5],
                f"request {self._word(i)} handled: GET /api/orders/{i * 37 % 90_000} took {i} ms",
                {"order": i, "user": f"user-{i % 5_000}", "ms": i % 950, "ok": i % 11 != 0},
                self._traces[i // RECORDS_A_TRACE],
                producer=producer,
            )
            for i in range(self.records)
        ]

    def _word(self, number: int) -> str:
        """Return a word that one record alone has."""
        return f"r{self.component[-8:]}n{number}"

    def _stored(self, advance: Callable[[int], None]) -> Iterator[Figure]:
        """Store everything as a worker does: read, decode, commit, acknowledge.

        Of a backlog two batches are written at a time.
        """
        size, most = self._settings.batch_size, self._settings.batch_max
        small = min(SMALL_BATCHES * size, self.records // 2)
        parts = (
            (f"store, {size:,} at a time", small, size, False),
            (f"store a backlog, {most:,} at a time", self.records - small, most, True),
        )
        client = connect(self._settings)
        consumer = Consumer(client, self.stream, self._settings.group, "bench")
        self._storing = True
        try:
            consumer.ensure_group()
            with pipeline(self._settings, consumer, self._store, Tally()) as settling:
                for what, total, count, backlog in parts:
                    seconds, done = [], 0
                    while done < total:
                        began = time.perf_counter()
                        entries = consumer.read_new(min(count, total - done), None)
                        if not entries:
                            raise GodotError(f"{self.stream} lost entries: was it deleted?")
                        done += len(entries)
                        settling.settle([Read(entries)], defer=backlog and done < total)
                        seconds.append(time.perf_counter() - began)
                        advance(len(entries))
                    yield _figure(what, seconds, total)
        finally:
            close(client)

    def _questions(self) -> dict[str, Question]:
        store = self._store
        return {
            "find the newest 100": lambda _: store.query(LogFilter(limit=100)),
            "find 100 of a component": lambda _: store.query(
                LogFilter(component=(self.component,), limit=100)
            ),
            "find a word of one record": lambda n: store.query(LogFilter(search=self._word(n))),
            "find a trace": lambda n: store.trace(self._traces[n]),
            "count an hour by minute": lambda _: store.histogram(LogFilter(since="1h"), "1m"),
        }

    def _found(self, advance: Callable[[int], None]) -> Iterator[Figure]:
        for what, question in self._questions().items():
            seconds, incomplete = [], 0
            for n in range(ASKED):
                began = time.perf_counter()
                try:
                    answer = question(n)
                    incomplete += answer is not None and answer.scan_incomplete
                except QueryTimeout:
                    incomplete += 1
                seconds.append(time.perf_counter() - began)
                advance(1)
            yield _figure(what, seconds, ASKED, incomplete)

    def _removed(self, advance: Callable[[int], None], asked_by: str) -> Iterator[Figure]:
        if self._appending:
            client = connect(self._settings)
            try:
                ask(client, "DEL", self.stream)
            except GodotError as exc:
                self.left.append(f"entries ({exc}): redis-cli DEL {self.stream}")
            finally:
                close(client)
        if self._storing:
            began = time.perf_counter()
            mine = LogFilter(component=(self.component,))
            try:
                done = self._store.clear(mine, asked_by=asked_by, progress=advance)
            except DeweyError as exc:
                self.left.append(f"records ({exc}): godot clear -c {self.component} --yes")
            else:
                yield _figure("remove them", [time.perf_counter() - began], done.records)


def _figure(what: str, seconds: Sequence[float], done: int, incomplete: int = 0) -> Figure:
    ordered = sorted(seconds)
    p50, p99 = (1_000 * ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return Figure(what, len(ordered), done / sum(ordered), p50, p99, incomplete)
