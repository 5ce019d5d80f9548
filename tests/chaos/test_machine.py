"""Hypothesis drives two workers step by step over real servers, in orders nobody would think of.

Every step is one that a process, a person or a crash may take between any two others: append,
append again, take and die, store and die before the acknowledgement, trim, delete, set the group or
the stream back, claim, acknowledge by hand, replay, clear. Between the steps nothing else runs, so
the book knows exactly what was destroyed. After each sequence everything drains, and table, stream,
book and audit must agree.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from clientlib import LogRecord, Producer
from godot import replay
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.errors import StreamLost
from godot.repair import Repair
from godot.stream.append import Appender
from godot.stream.group import Consumer
from godot.stream.ids import ZERO, StreamID
from godot.worker import intake
from godot.worker.intake import Read
from tests.chaos.book import Kind
from tests.chaos.findings import Findings, Totals
from tests.chaos.place import Hand, Older, Place
from tests.chaos.producers import announce, make
from tests.chaos.seen import Seen
from tests.chaos.verdict import check_counts, check_records
from tests.chaos.world import GROUP

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

EXAMPLES, STEPS = 40, 30
LONG_AGO_MS = 100_000


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
        self.matched: set[bytes] = set()  # records that were there, or to come, before a clear
        self.deleted_unseen = False
        self.older: Older | None = None
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

    @rule()
    def remember(self) -> None:
        """Keep the stream as it is, as a replica does that hears no more."""
        self.older = self.place.remembered()

    @rule()
    def set_back(self) -> None:
        """Go on with the stream as it was, groups and all.

        Some worker has to have read its counter before: of what nobody has seen only numbers tell.
        """
        if self.older is not None:
            for sweep in (False, True, False):  # where its group is gone it makes it again first
                self.cycle(0, sweep=sweep)
            self.place.set_back(self.older)
            self.deleted_unseen = False
            time.sleep(0.002)  # what comes now has later ids than what was taken away

    @rule(which=st.integers(0, 1), sweep=st.booleans())
    def cycle(self, which: int, sweep: bool) -> None:
        self.hands[which].cycle(sweep=sweep)

    @rule(count=st.integers(1, 20), which=st.integers(0, 1), stored=st.booleans())
    def take_and_die(self, count: int, which: int, stored: bool) -> None:
        """Have entries delivered to a worker that dies: before its commit, or right after it."""
        # no stream, no group: nothing to take then
        with contextlib.suppress(StreamLost, redis.ResponseError):
            found = self.ghost.read_new(count, None)
            if found and stored:
                self.hands[which].pipeline.settle([Read(found)], acknowledge=False)
            self.ghost.release([entry.id for entry in found], LONG_AGO_MS)

    @rule(keep=st.integers(0, 40))
    def trim(self, keep: int) -> None:
        """Trim; of a stream made again some worker has to see the first entries before they go.

        Otherwise nothing in Redis tells it from the old one, once more was added than ever before.
        """
        if self.deleted_unseen:
            for _ in range(2):  # it finds its group gone, and then makes it again
                self.cycle(0, sweep=False)
            self.deleted_unseen = False
        self.place.destroy("XTRIM", self.place.settings.stream, "MAXLEN", keep)

    @rule()
    def delete(self) -> None:
        self.place.destroy("DEL", self.place.settings.stream)
        self.book.stream_lost()
        self.deleted_unseen = True
        self.older = None  # what it held would come back beside what is new
        time.sleep(0.002)  # within one millisecond the new stream's ids would not be later

    @rule()
    def destroy_group(self) -> None:
        with contextlib.suppress(redis.ResponseError):
            stream = self.place.settings.stream
            self.book.group_lost(self.place.destroy("XGROUP", "DESTROY", stream, GROUP))

    @rule()
    def claim(self) -> None:
        """Take over whatever anybody holds, as a person does who finds it has been too long."""
        with Repair(self.place.settings) as repair, contextlib.suppress(StreamLost):
            repair.claim(repair.plan_claim(0), self.place.store, 0)

    @rule(count=st.integers(1, 5))
    def acknowledge(self, count: int) -> None:
        """Give entries up, as a person does who has had enough of them."""
        chosen = list(self.place.unsettled().pending)[:count]
        with Repair(self.place.settings) as repair:
            plan = repair.plan_ack(chosen) if chosen else None
            if plan is not None:
                repair.acknowledge(plan, self.place.store, "enough")
        for item in self.book.items.values():
            item.given_up |= any(entry in chosen for entry in item.entries)

    @rule()
    def replay(self) -> None:
        """Store again what is in the stream; what was cleared since stays away."""
        there = self.place.entries()
        part = replay.measure(self.place.settings, ZERO, None)
        replay.replay(self.place.settings, self.place.store, part)
        self._may_be_cleared(there)

    def _may_be_cleared(self, there: Container[StreamID]) -> None:
        for item in self.book.items.values():
            if item.id in self.matched and any(entry in there for entry in item.entries):
                item.cleared = True

    @rule(which=st.integers(0, 2))
    def clear(self, which: int) -> None:
        """Remove one component's records, as a person does, in the words of a filter.

        What is delivered again later counts as removed, too.
        """
        producer = self.producers[which].number
        here = {item.id for item in self.book.items.values() if item.producer == producer}
        self.matched |= here
        name = f"service-{which}"
        with self.place.session() as connection, connection.transaction():
            matching = {"component": [name]}
            connection.execute("INSERT INTO logs_cleared (filter) VALUES (%s)", [Jsonb(matching)])
            gone = connection.execute(
                "DELETE FROM logs WHERE component = %s RETURNING id", [name]
            ).fetchall()
        for (id,) in gone:
            self.book.items[id.bytes].cleared = True
        self._may_be_cleared(self.place.entries())

    @rule(back=st.integers(0, 30))
    def set_group_back(self, back: int) -> None:
        """Have entries delivered again, as a person may who does not know of replay."""
        stream, client = self.place.settings.stream, self.place.redis
        with contextlib.suppress(redis.ResponseError, IndexError):
            group: Any = client.xinfo_groups(stream)[0]
            found: Any = client.xrevrange(stream, group["last-delivered-id"], "-", back + 1)
            to = found[-1][0] if len(found) > back else str(ZERO)
            self.book.group_lost(self.place.destroy("XGROUP", "SETID", stream, GROUP, to))

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
        check_counts(self.book, seen, audit, findings, totals, ())
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
            phases=[Phase.generate],  # thirty steps can be read; shrinking them takes minutes
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )
