"""Announcements of producers go once nothing can be learned from them any more, and not before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from clientlib import Producer, make_record
from dewey_logs import Store, open_store
from godot.accounting import examine
from godot.settings import Settings
from godot.stream import producers
from godot.stream.append import Appender
from godot.stream.group import Consumer
from godot.stream.producers import ProducerInfo
from godot.worker.housekeeping import Housekeeping
from godot.worker.metrics import WorkerMetrics
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    assert settings.dewey_url is not None
    with open_store(settings.dewey_url) as opened:
        yield opened


def keep_house(bench: Bench, store: Store) -> None:
    consumer = Consumer(bench.redis, bench.settings.stream, bench.settings.group, "caretaker")
    consumer.ensure_group()
    bench.redis.response_callbacks.pop("XPENDING", None)
    metrics = WorkerMetrics(CollectorRegistry(), consumer.stream, consumer.group)
    Housekeeping(consumer, metrics, store, jitter=lambda low, high: low).attend()


def announce(bench: Bench, producer: Producer, sent: int) -> ProducerInfo:
    info = ProducerInfo(producer.number, sent, "shop", "box", 1, "0.1.0", "2026-11-01T00:00:00Z", 0)
    producers.announce(bench.redis, bench.settings.stream, info)
    return info


def announced(bench: Bench) -> set[int]:
    return {info.producer for info in producers.read(bench.redis, bench.settings.stream)[0]}


def send(bench: Bench, producer: Producer, count: int) -> None:
    with Appender(bench.settings) as appender:
        appender.append([make_record("shop", "INFO", "m", producer=producer) for _ in range(count)])


def age(bench: Bench, hours: int) -> None:
    bench.sql(f"UPDATE logs_ledger SET at = at - interval '{hours} hours' RETURNING 1")


def test_who_was_silent_for_a_day_and_owes_nothing_is_forgotten(bench, settings, store, working):
    done, cut_off, gap, idle, never = (Producer() for _ in range(5))
    with working(settings):
        for producer in (done, cut_off, idle):
            send(bench, producer, 5)
        send(bench, gap, 1)
        make_record("shop", "INFO", "lost", producer=gap)  # its number is used, it is never sent
        send(bench, gap, 1)
        eventually(bench.settled, "everything stored")
    for producer, sent in ((done, 5), (cut_off, 9), (gap, 3), (idle, 5), (never, 4)):
        announce(bench, producer, sent)
    age(bench, 23)
    before = examine(settings, store).audit.total
    keep_house(bench, store)
    assert len(announced(bench)) == 5

    age(bench, 2)
    with working(settings):
        send(bench, idle, 1)  # speaks again after a day
        eventually(bench.settled, "everything stored")
    announce(bench, idle, 6)
    keep_house(bench, store)
    assert announced(bench) == {p.number for p in (cut_off, gap, idle, never)}
    after = examine(settings, store).audit.total
    assert (after.lost, after.announced) == (before.lost, before.announced + 1)


def test_who_announces_more_meanwhile_stays(bench):
    producer = Producer()
    seen = announce(bench, producer, 5)
    announce(bench, producer, 6)
    assert producers.forget(bench.redis, bench.settings.stream, [seen]) == 0
    assert announced(bench) == {producer.number}
    (now,) = producers.read(bench.redis, bench.settings.stream)[0]
    assert producers.forget(bench.redis, bench.settings.stream, [now]) == 1
    assert announced(bench) == set()


def test_without_the_store_nobody_is_forgotten(bench):
    announce(bench, Producer(), 5)
    with open_store("postgresql:///x?host=/nonexistent") as away:
        keep_house(bench, away)
    assert len(announced(bench)) == 1
