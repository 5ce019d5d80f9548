"""What the one look tells of real servers, in order and out of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import msgspec
import pytest

from godot import snapshot
from godot.settings import Settings
from godot.stream import groups
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.ids import END
from tests.integration.worker.conftest import Bench

AWAY = "redis://127.0.0.1:1/0"
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def take(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Take snapshots by a clock on which a second passes from look to look."""
    monkeypatch.setattr(snapshot, "GLANCE_S", 0.0)
    seconds = count()

    def taken(
        before: snapshot.Snapshot | None = None, *, every_group: bool = False, **wanted: object
    ) -> snapshot.Snapshot:
        return snapshot.take(
            msgspec.structs.replace(settings, **wanted),
            before,
            without_store="dewey_url" not in wanted,
            every_group=every_group,
            clock=lambda: float(next(seconds)),
        )

    return taken


@pytest.fixture
def worker(settings: Settings) -> Iterator[Consumer]:
    """A consumer that takes and settles what the test wants it to."""
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "w:1:x")
    consumer.ensure_group()
    yield consumer
    close(client)


def add_old(bench: Bench, seconds: int, n: int) -> None:
    """Add entries that have been in the stream for so long, by their ids."""
    ms = int(time.time() * 1000) - seconds * 1000
    for i in range(n):
        fields = {"component": "c", "level": "INFO", "message": "m"}
        bench.redis.xadd(bench.settings.stream, fields, id=f"{ms}-{i}")  # type: ignore[arg-type]  # str keys


def test_before_anything_was_sent_nothing_waits_and_nobody_works(take):
    now = take()
    assert (now.state, now.waiting_ms, now.group.exists) == ("no-consumer", 0, False)
    assert (now.stream.exists, now.stream.entries, now.group.overrun) == (False, 0, 0)
    assert now.problems == ()


def test_what_was_sent_before_any_worker_came_waits_for_it(take, bench: Bench):
    add_old(bench, 60, 3)
    now = take()
    assert now.state == "no-consumer"
    assert (now.group.undelivered, now.stream.backlog) == (3, 3)
    assert 60_000 <= now.waiting_ms < 90_000


def test_a_group_that_takes_entries_and_settles_none_is_stalled(
    take, bench: Bench, worker: Consumer
):
    add_old(bench, 60, 3)
    worker.read_new(2, None)
    now = take()
    assert (now.state, now.group.active) == ("stalled", 1)
    assert (now.group.pending, now.group.undelivered, now.group.settled_per_s) == (2, 1, 0.0)
    assert now.waiting_ms >= 60_000


def test_a_group_that_settles_is_behind_or_catching_up_by_what_waits(
    take, bench: Bench, worker: Consumer
):
    add_old(bench, 60, 3)
    held = [entry.id for entry in worker.read_new(2, None)]
    before = take()
    worker.acknowledge(held[:1])
    now = take(before)
    assert (now.state, now.group.settled_per_s) == ("behind", pytest.approx(1.0))
    add_old(bench, 10, 1)
    worker.acknowledge(held[1:])
    worker.acknowledge([entry.id for entry in worker.read_new(1, None)])
    assert take(now).state == "ok"  # what waits now is younger
    worker.acknowledge([entry.id for entry in worker.read_new(1, None)])
    done = take()
    assert (done.state, done.waiting_ms) == ("ok", 0)


def test_what_was_trimmed_unread_is_counted_until_the_group_reads_on(
    take, bench: Bench, worker: Consumer
):
    add_old(bench, 60, 10)
    worker.acknowledge([entry.id for entry in worker.read_new(2, None)])
    bench.redis.xtrim(bench.settings.stream, maxlen=3, approximate=False)
    now = take()
    assert (now.group.overrun, now.group.undelivered) == (5, 3)


def test_every_group_of_the_stream_is_looked_at(take, bench: Bench, worker: Consumer):
    add_old(bench, 60, 3)
    bench.redis.xgroup_create(bench.settings.stream, "archive", id="0")
    worker.acknowledge([entry.id for entry in worker.read_new(3, None)])
    now = take()
    assert [(group.name, group.state) for group in now.stream.groups] == [
        (bench.settings.group, "ok"),
        ("archive", "no-consumer"),
    ]
    assert now.stream.groups[1].undelivered == 3


def test_a_group_of_others_that_does_not_move_is_judged_for_whoever_asks_for_every_group(
    take, bench: Bench, worker: Consumer
):
    add_old(bench, 60, 3)
    worker.acknowledge([entry.id for entry in worker.read_new(3, None)])
    stream = bench.settings.stream
    bench.redis.xgroup_create(stream, "archive", id="0")
    bench.redis.xreadgroup("archive", "a:1:x", {stream: ">"}, count=1)
    bench.redis.xgroup_create(stream, "end", id=str(END))
    assert [group.state for group in take().stream.others] == ["unknown", "no-consumer"]
    now = take(every_group=True)
    assert [(group.name, group.state) for group in now.stream.others] == [
        ("archive", "stalled"),
        ("end", "no-consumer"),
    ]
    assert now.state == "ok"
    assert [(group.pending, group.waiting_ms > 0) for group in now.stream.others] == [
        (1, True),
        (0, False),
    ]


def test_a_server_that_is_away_costs_its_own_part(take, bench: Bench, worker: Consumer):
    now = take(redis_url=AWAY, dewey_url=bench.settings.dewey_url)
    assert (now.stream, now.group, now.waiting_ms, now.rate) == (None, None, None, None)
    assert now.store is not None
    assert now.state == "unknown"
    assert [problem.partition(":")[0] for problem in now.problems] == ["stream"]
    worker.read_new(1, None)
    now = take(dewey_url=NOBODY)
    assert (now.store, now.state) == (None, "ok")
    assert [problem.partition(":")[0] for problem in now.problems] == ["store"]


def test_a_silent_worker_is_gone_or_waits_for_a_store_that_is_away(
    take, bench: Bench, worker: Consumer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(groups, "IDLE_WORKER_MS", 0)  # nobody is quick enough
    add_old(bench, 600, 1)
    worker.read_new(1, None)
    assert take(reclaim_idle_ms=0).state == "no-consumer"
    assert take(reclaim_idle_ms=0, dewey_url=NOBODY).state == "stalled"
