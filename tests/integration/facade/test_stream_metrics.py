"""What the mcp role says about stream and group, also when every worker is gone."""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from prometheus_client import CollectorRegistry

from clientlib import Producer, make_record
from godot.facade import stream_metrics
from godot.facade.stream_metrics import StreamCollector
from godot.settings import Settings
from godot.stream.append import Appender


def send(settings: Settings, count: int) -> None:
    producer = Producer()
    with Appender(settings) as appender:
        appender.append([make_record("t", "INFO", "m", producer=producer) for _ in range(count)])


class Scrapes:
    """A registry that is asked at moments of the test's choosing."""

    def __init__(self, settings: Settings) -> None:
        self.now = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(StreamCollector(settings, lambda: self.now))
        self._labels = {"stream": settings.stream}
        self._group = {**self._labels, "group": settings.group}

    def stream(self, name: str) -> float | None:
        return self._registry.get_sample_value(f"godot_stream_{name}", self._labels)

    def group(self, name: str) -> float | None:
        return self._registry.get_sample_value(f"godot_group_{name}", self._group)

    def up(self) -> float | None:
        return self._registry.get_sample_value("godot_component_up", {"component": "redis"})


def test_stream_and_group_are_told_from_their_source(settings, working, stored):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    scrapes = Scrapes(settings)
    assert (scrapes.up(), scrapes.stream("entries")) == (1, 0)
    send(settings, 250)
    assert scrapes.stream("entries") == 0  # the look of just now is still good
    scrapes.now += stream_metrics.LOOK_EVERY_S
    assert scrapes.stream("entries") == scrapes.stream("added_entries_total") == 250
    assert (scrapes.stream("backlog_entries"), scrapes.stream("fill_ratio")) == (250, 0.25)
    assert scrapes.group("oldest_undelivered_timestamp_seconds") is not None
    with working():
        stored(250)
    scrapes.now += stream_metrics.LOOK_EVERY_S
    assert (scrapes.stream("backlog_entries"), scrapes.group("pending_entries")) == (0, 0)
    assert scrapes.group("oldest_undelivered_timestamp_seconds") is None


def test_the_time_to_loss_runs_while_nobody_works(settings):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    scrapes = Scrapes(settings)
    assert scrapes.stream("loss_in_seconds") is None  # one look tells no rate
    send(settings, 400)
    scrapes.now += stream_metrics.LOOK_EVERY_S
    loss, holds = scrapes.stream("loss_in_seconds"), scrapes.stream("buffer_seconds")
    assert loss is not None
    assert loss == holds
    assert 0 < loss < 3_600
    send(settings, 700)
    scrapes.now += stream_metrics.LOOK_EVERY_S
    assert scrapes.stream("loss_in_seconds") == 0  # it has begun
    scrapes.now += stream_metrics.LOOK_EVERY_S
    assert scrapes.stream("loss_in_seconds") == math.inf  # nothing comes any more


def test_without_redis_only_its_absence_is_told(settings):
    away = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1/0")
    scrapes = Scrapes(away)
    assert (scrapes.up(), scrapes.stream("entries")) == (0, None)


def test_the_served_metrics_hold_them(served, settings):
    send(settings, 3)
    text = urllib.request.urlopen(served.metrics_url).read().decode()
    assert f'godot_stream_backlog_entries{{stream="{settings.stream}"}} 3.0' in text
    assert 'godot_component_up{component="redis"} 1.0' in text


def test_a_group_too_slow_for_what_comes_is_losing_now(settings, bench_redis):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    stream, group = settings.stream, settings.group
    bench_redis.xgroup_create(stream, group, id="0", mkstream=True)
    scrapes = Scrapes(settings)
    for _ in range(8):  # two thirds of what comes are trimmed unread
        send(settings, 300)
        scrapes.now += stream_metrics.LOOK_EVERY_S
        told = scrapes.stream("loss_in_seconds")
        found = bench_redis.xreadgroup(group, "slow", {stream: ">"}, count=100)
        bench_redis.xack(stream, group, *[entry for entry, _ in found[0][1]])
    assert told == 0


@pytest.fixture
def bench_redis(settings: Settings) -> Iterator[Any]:
    client = redis.Redis.from_url(settings.redis_url)
    yield client
    client.close()
