"""Hypothesis drives two workers step by step over real servers, in orders nobody would think of.

Every step is one that a process, a person or a crash may take between any two others: append,
append again, take and die, store and die before the acknowledgement, trim, delete, set the group
back, clear. Between the steps nothing else runs, so the book knows exactly what was destroyed.
After each sequence everything drains, and table, stream, book and audit must agree.
"""

from __future__ import annotations

import contextlib
import random
import threading
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clientlib import LogRecord, Producer
from dewey_logs import open_store
from godot import audit as audits
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from godot.stream import inventory
from godot.stream.append import Appender
from godot.stream.group import Consumer
from godot.stream.ids import ZERO, StreamID
from godot.stream.lease import Lease
from godot.worker import intake
from godot.worker.intake import Read
from godot.worker.loop import Worker
from tests.chaos.book import Book, Kind
from tests.chaos.producers import announce, make
from tests.chaos.verdict import Findings, Seen, Totals, check_counts, check_records
from tests.chaos.world import GROUP, UNSETTLED

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

EXAMPLES, STEPS = 40, 30
LONG_AGO_MS = 100_000


class Hand:
    """A worker that moves only when it is told to."""

    def __init__(self, here: Settings) -> None:
        self.worker = Worker(here, threading.Event())
        self.lease = Lease(here, self.worker._consumer)
        pipeline = self.worker._connected_pipeline(self.lease)
        assert pipeline is not None
        self.pipeline = pipeline

    @property
    def consumer(self) -> Consumer:
        return self.worker._consumer

    def cycle(self, *, sweep: bool) -> None:
        if sweep:
            self.worker._intake.sweep._next = 0.0
        self.worker._guarded_cycle(self.pipeline)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.pipeline.finish()
        self.pipeline.forget()
        self.pipeline.close()
        self.lease.close()
        self.worker.store.close()
        self.worker._client.close()


class Place:
    """One stream and one database, looked at without going through the product."""

    def __init__(self, valkey: Valkey, postgres: Postgres, folder: Path) -> None:
        self._postgres = postgres
        self._name = f"t_{uuid.uuid4().hex[:12]}"
        self._admin(f"CREATE DATABASE {self._name} TEMPLATE dewey_template STRATEGY file_copy")
        self.redis = redis.Redis.from_url(valkey.url)
        self.book = Book()
        self.settings = load(
            {
                "GODOT_REDIS_URL": valkey.url,
                "DEWEY_URL": postgres.url(self._name),
                "GODOT_STREAM": f"m-{uuid.uuid4().hex[:12]}",
                "GODOT_DATA_DIR": str(folder),
                "GODOT_RECLAIM_IDLE_MS": "60000",
                "GODOT_BATCH_SIZE": "5",
                "GODOT_BATCH_MAX": "20",
                "GODOT_BATCH_TIMEOUT_MS": "1",
            }
        )

    def _admin(self, command: Any) -> None:
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(command)

    def session(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._postgres.url(self._name), autocommit=True)

    def entries(self) -> set[StreamID]:
        found: Any = self.redis.xrange(self.settings.stream)
        return {StreamID.parse(entry) for entry, _ in found}

    def announced(self) -> dict[int, int]:
        raw: Any = self.redis.hgetall(f"{self.settings.stream}:producers")
        return {int(name, 16): int(value.split()[0]) for name, value in raw.items()}

    def unsettled(self) -> set[StreamID]:
        found: Any = self.redis.eval(UNSETTLED, 1, self.settings.stream, GROUP, "")
        return {StreamID.parse(entry) for entry in (*found[2], *found[3])}

    def settled(self) -> bool:
        with contextlib.suppress(redis.ResponseError, IndexError):
            group: Any = self.redis.xinfo_groups(self.settings.stream)[0]
            return not group["pending"] and not self.unsettled()
        return not self.redis.exists(self.settings.stream)

    def audited(self) -> audits.Audit:
        held = inventory.take(self.settings)
        region = held.held[0].id if held.held else held.upto
        assert self.settings.dewey_url is not None
        with open_store(self.settings.dewey_url) as store:
            return audits.audit(held, store.accounts(held.stream, region, 0.0))

    def close(self) -> None:
        stream = self.settings.stream
        self.redis.delete(stream, f"{stream}:producers")
        self.redis.close()
        self._admin(f"DROP DATABASE {self._name} WITH (FORCE)")


class Machine(RuleBasedStateMachine):
    """The rules; `place` is given by the test."""

    make_place: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.place: Place = type(self).make_place()
        self.book = self.place.book
        self.rng = random.Random(0)
        self.producers = [Producer(self.rng.getrandbits(38)) for _ in range(3)]
        self.hands = [Hand(self.place.settings) for _ in range(2)]
        self.ghost = Consumer(
            self.hands[0].worker._client, self.place.settings.stream, GROUP, "ghost"
        )
        self.sent: list[list[LogRecord]] = []
        self.append(0, 1, said=True)  # what was deleted before anybody had seen it is unexplained
        self.drain()

    @rule(which=st.integers(0, 2), count=st.integers(1, 25), said=st.booleans())
    def append(self, which: int, count: int, said: bool) -> None:
        producer = self.producers[which]
        records = [make(self.rng, producer, f"service-{which}") for _ in range(count)]
        self.book.offer(records, Kind.STORED)
        if said:
            announce(self.place.redis, self.place.settings.stream, producer, f"service-{which}")
        self.sent.append(records)
        self._append(records)

    @rule(which=st.integers(0, 100))
    def append_again(self, which: int) -> None:
        if self.sent:
            self._append(self.sent[which % len(self.sent)])

    def _append(self, records: list[LogRecord]) -> None:
        with Appender(self.place.settings) as appender:
            self.book.accepted(records, appender.append(records))

    @rule(which=st.integers(0, 1), sweep=st.booleans())
    def cycle(self, which: int, sweep: bool) -> None:
        self.hands[which].cycle(sweep=sweep)

    @rule(count=st.integers(1, 20), which=st.integers(0, 1), stored=st.booleans())
    def take_and_die(self, count: int, which: int, stored: bool) -> None:
        """Have entries delivered to a worker that dies: before its commit, or right after it."""
        with contextlib.suppress(Exception):  # no stream, no group: nothing to take then
            found = self.ghost.read_new(count, None)
            if found and stored:
                self.hands[which].pipeline.settle([Read(found)], acknowledge=False)
            self.ghost.release([entry.id for entry in found], LONG_AGO_MS)

    @rule(keep=st.integers(0, 40))
    def trim(self, keep: int) -> None:
        before = self.place.unsettled()
        self.place.redis.xtrim(self.place.settings.stream, maxlen=keep, approximate=False)
        self.book.destroy(before - self.place.entries())

    @rule()
    def delete(self) -> None:
        self.book.destroy(self.place.unsettled())
        self.place.redis.delete(self.place.settings.stream)

    @rule()
    def destroy_group(self) -> None:
        with contextlib.suppress(redis.ResponseError):
            self.place.redis.xgroup_destroy(self.place.settings.stream, GROUP)

    @rule(back=st.integers(0, 30))
    def replay(self, back: int) -> None:
        """Set the group back, as a person does who wants entries delivered again."""
        stream, client = self.place.settings.stream, self.place.redis
        with contextlib.suppress(redis.ResponseError, IndexError):
            group: Any = client.xinfo_groups(stream)[0]
            found: Any = client.xrevrange(stream, group["last-delivered-id"], "-", back + 1)
            client.xgroup_setid(stream, GROUP, found[-1][0] if len(found) > back else str(ZERO))

    def drain(self) -> None:
        for _ in range(200):
            if self.place.settled():
                break
            for hand in self.hands:
                hand.cycle(sweep=True)
                hand.cycle(sweep=False)
        for hand in self.hands:
            hand.pipeline.finish()
        assert self.place.settled(), self.place.unsettled()

    def teardown(self) -> None:
        try:
            self._judge()
        finally:
            for hand in self.hands:
                hand.close()
            self.place.close()

    def _judge(self) -> None:
        for which in range(3):  # what was lost before has a higher number after it
            self.append(which, 1, said=True)
        self.drain()
        findings, totals = Findings(), Totals()
        seen = Seen(self.place)
        audit = self.place.audited()
        check_records(self.book, seen, audit, findings, totals)
        check_counts(self.book, seen, audit, findings, ())
        assert not findings.counts, "\n".join(["", *findings.lines(), str(audit.entries)])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that finds nothing waits a millisecond."""
    monkeypatch.setattr(intake, "BLOCK_MS", 1)


@pytest.mark.usefixtures("impatient", "_template")
def test_whatever_the_order_every_record_is_accounted_for(
    valkey_server: Valkey, postgres_server: Postgres, tmp_path: Path
):
    class Here(Machine):
        @staticmethod
        def make_place() -> Place:
            return Place(valkey_server, postgres_server, tmp_path)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )
