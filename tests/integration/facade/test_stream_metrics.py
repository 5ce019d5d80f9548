"""What the mcp role says about stream and group, also when every worker is gone."""

from __future__ import annotations

import math
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed

from clientlib import Producer, make_record
from dewey_logs.tools import Lookout
from godot.errors import StreamUnavailable
from godot.facade.stream_metrics import LOOK_EVERY_S, WatchedStream
from godot.settings import Settings
from godot.stream.append import Appender
from godot.stream.producers import ProducerInfo, announce
from tests.proxy import Proxy


def send(settings: Settings, count: int) -> None:
    producer = Producer()
    with Appender(settings) as appender:
        appender.append([make_record("t", "INFO", "m", producer=producer) for _ in range(count)])


class Scrapes:
    """A registry whose stream is looked at when the test says so, at moments of its choosing."""

    def __init__(self, settings: Settings) -> None:
        self.now = 0.0
        self._registry = CollectorRegistry()
        self._sight = WatchedStream(settings, lambda: self.now)
        self._lookout = Lookout(self._registry, [self._sight], (StreamUnavailable,))
        self._labels = {"stream": settings.stream}
        self._group = {**self._labels, "group": settings.group}
        self._lookout.look(self._sight)

    def later(self) -> None:
        """Look again."""
        self.now += LOOK_EVERY_S
        self._lookout.look(self._sight)

    def stream(self, name: str) -> float | None:
        return self._registry.get_sample_value(f"godot_stream_{name}", self._labels)

    def group(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"godot_group_{name}", {**self._group, **labels})

    def producers(self, name: str) -> float | None:
        return self._registry.get_sample_value(f"godot_producer{name}", self._labels)

    def text(self) -> str:
        """Return a whole scrape."""
        return generate_latest(self._registry).decode()

    def up(self) -> float | None:
        return self._registry.get_sample_value("godot_backend_up", {"backend": "redis"})


def test_stream_and_group_are_told_from_their_source(settings, working, stored):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    scrapes = Scrapes(settings)
    assert (scrapes.up(), scrapes.stream("entries")) == (1, 0)
    send(settings, 250)
    assert scrapes.stream("entries") == 0  # a scrape asks nobody
    scrapes.later()
    assert scrapes.stream("entries") == scrapes.stream("added_entries_total") == 250
    assert (scrapes.group("backlog_entries"), scrapes.stream("fill_ratio")) == (250, 0.25)
    since = scrapes.group("oldest_undelivered_timestamp_seconds")
    assert since is not None
    assert since == scrapes.stream("first_entry_timestamp_seconds")
    assert scrapes.group("state", state="no-consumer") == 1
    with working():
        stored(250)
    scrapes.later()
    assert (scrapes.group("backlog_entries"), scrapes.group("pending_entries")) == (0, 0)
    assert scrapes.group("oldest_undelivered_timestamp_seconds") is None
    assert (scrapes.group("undelivered_entries"), scrapes.group("overrun_entries_total")) == (0, 0)


def test_the_time_to_loss_runs_while_nobody_works(settings):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    scrapes = Scrapes(settings)
    assert scrapes.group("loss_in_seconds") is None  # one look tells no rate
    send(settings, 400)
    scrapes.later()
    loss, holds = scrapes.group("loss_in_seconds"), scrapes.group("buffer_seconds")
    assert loss is not None
    assert loss == holds
    assert 0 < loss < 3_600
    send(settings, 700)
    scrapes.later()
    assert scrapes.group("loss_in_seconds") == 0  # it has begun
    scrapes.later()
    assert scrapes.group("loss_in_seconds") == math.inf  # nothing comes any more


def test_entries_that_are_trimmed_unread_are_counted(settings, bench_redis):
    stream, group = settings.stream, settings.group
    bench_redis.xgroup_create(stream, group, id="0", mkstream=True)
    send(settings, 100)
    bench_redis.xreadgroup(group, "late", {stream: ">"}, count=10)
    scrapes = Scrapes(settings)
    assert scrapes.group("overrun_entries_total") == 0
    bench_redis.xtrim(stream, maxlen=30, approximate=False)
    scrapes.later()
    assert scrapes.group("overrun_entries_total") == 60
    bench_redis.xreadgroup(group, "late", {stream: ">"}, count=100)
    scrapes.later()
    assert scrapes.group("overrun_entries_total") == 60


def test_what_producers_say_of_themselves_is_added_up(settings, bench_redis):
    scrapes = Scrapes(settings)
    assert (scrapes.producers("s"), scrapes.producers("_dropped_records_total")) == (0, 0)
    for number, sent, dropped in ((1, 40, 0), (2, 8, 5)):
        info = ProducerInfo(number, sent, "shop", "box", 1, "0", "2026-11-01T00:00:00Z", dropped)
        announce(bench_redis, settings.stream, info)
    scrapes.later()
    assert scrapes.producers("s") == 2
    assert scrapes.producers("_announced_records_total") == 48
    assert scrapes.producers("_dropped_records_total") == 5


def test_garbage_among_the_announcements_changes_nothing(settings, bench_redis):
    scrapes = Scrapes(settings)
    fields = dict.fromkeys(("0x0000001f", "00000000_1", "ffffffffff", "\n", "1"), "5 c h 1 v s 5")
    for number, value in enumerate(
        (
            f"{'9' * 400} c h 1 v s 0",  # more than a float holds: no scrape would ever end well
            f"5 c h 1 v s {2**36}",
            "5 c h 1 v s -5",
            "\u0665 c h 1 v s 0",
            "1_0 c h 1 v s 0",
            "5 c h 1 v s",
            "",
        )
    ):
        fields[f"{number + 100:010x}"] = value
    bench_redis.hset(f"{settings.stream}:producers", mapping=fields)
    info = ProducerInfo(7, 40, "shop", "box", 1, "0", "2026-11-01T00:00:00Z", 2)
    announce(bench_redis, settings.stream, info)
    scrapes.later()
    assert scrapes.producers("s") == 1
    assert scrapes.producers("_announced_records_total") == 40
    assert scrapes.producers("_dropped_records_total") == 2
    assert "godot_producers{" in scrapes.text()


def test_ten_thousand_producers_with_names_of_their_own_choice_make_no_series(
    settings, bench_redis
):
    settings = msgspec.structs.replace(settings, stream=f'{settings.stream}"}}\\')
    scrapes = Scrapes(settings)
    before = scrapes.text().count("\n")
    fields = {f"{n:010x}": f'1 "c{n}"}}\t h{n} 1 v s 0' for n in range(10_000)}
    bench_redis.hset(f"{settings.stream}:producers", mapping=fields)
    scrapes.later()
    scrapes.later()
    assert scrapes.producers("s") == 10_000
    text = scrapes.text()
    assert text.count("\n") - before < 20
    named = {one.labels.get("stream") for family in parsed(text) for one in family.samples}
    assert named <= {settings.stream, None}


def test_without_redis_its_absence_is_told_and_what_was_added_up(
    settings, bench_redis, valkey_server
):
    with Proxy(valkey_server.socket) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        scrapes = Scrapes(msgspec.structs.replace(settings, redis_url=url))
        proxy.refuse = True
        scrapes.later()
        assert (scrapes.up(), scrapes.stream("entries")) == (0, None)
        # a counter that first shows when Redis is back would hide what was dropped meanwhile
        assert scrapes.producers("_dropped_records_total") == 0
        assert scrapes.group("overrun_entries_total") == 0
        info = ProducerInfo(7, 40, "shop", "box", 1, "0", "2026-11-01T00:00:00Z", 9)
        announce(bench_redis, settings.stream, info)
        proxy.refuse = False
        scrapes.later()
        assert (scrapes.up(), scrapes.producers("_dropped_records_total")) == (1, 9)


def test_the_served_metrics_hold_them(served, settings):
    send(settings, 3)
    labels = f'group="{settings.group}",stream="{settings.stream}"'
    deadline = time.monotonic() + 60
    text = ""
    while f"godot_group_backlog_entries{{{labels}}} 3.0" not in text:
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
        with urllib.request.urlopen(served.metrics_url) as answer:
            text = answer.read().decode()
    assert 'godot_backend_up{backend="redis"} 1.0' in text
    assert "godot_heartbeat_timestamp_seconds" not in text  # by GODOT_HEARTBEAT_S=0


def test_a_group_too_slow_for_what_comes_is_losing_now(settings, bench_redis):
    settings = msgspec.structs.replace(settings, maxlen=1_000)
    stream, group = settings.stream, settings.group
    bench_redis.xgroup_create(stream, group, id="0", mkstream=True)
    scrapes = Scrapes(settings)
    for _ in range(8):  # two thirds of what comes are trimmed unread
        send(settings, 300)
        scrapes.later()
        told = scrapes.group("loss_in_seconds")
        found = bench_redis.xreadgroup(group, "slow", {stream: ">"}, count=100)
        bench_redis.xack(stream, group, *[entry for entry, _ in found[0][1]])
    assert told == 0


@pytest.fixture
def bench_redis(settings: Settings) -> Iterator[Any]:
    client = redis.Redis.from_url(settings.redis_url)
    yield client
    client.close()
