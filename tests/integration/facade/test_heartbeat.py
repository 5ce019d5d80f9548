"""A record that goes the whole path, and the audit's numbers, as the mcp role tells them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from clientlib import Producer, make_record
from dewey_logs import DeweyError, LogFilter, Store, open_store
from dewey_logs.tools import Lookout
from godot.errors import GodotError
from godot.facade.audit_metrics import AuditedStream
from godot.facade.heartbeat import COMPONENT, Heartbeat
from godot.settings import Settings
from godot.stream.append import Appender
from tests.proxy import Proxy

ALL = LogFilter()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    assert settings.dewey_url is not None
    with open_store(settings.dewey_url) as opened:
        yield opened


def stages(registry: CollectorRegistry) -> list[float | None]:
    name = "godot_heartbeat_timestamp_seconds"
    return [registry.get_sample_value(name, {"stage": stage}) for stage in ("emitted", "stored")]


def test_a_heartbeat_is_stored_when_a_worker_does_so_and_not_before(settings, store, working):
    now = [0.0]
    beat, registry = Heartbeat(settings, store, lambda: now[0]), CollectorRegistry()
    lookout = Lookout(registry, [beat], (GodotError, DeweyError))
    assert stages(registry) == [0, 0]
    lookout.look(beat)
    emitted, stored = stages(registry)
    assert emitted == pytest.approx(time.time(), abs=60)
    assert stored == 0
    with working():
        deadline = time.monotonic() + 60
        while stages(registry)[1] != emitted:
            assert time.monotonic() < deadline, "it never came through"
            lookout.look(beat)  # between two beats nothing is sent
    assert stages(registry) == [emitted, emitted]
    now[0] += settings.heartbeat_s
    lookout.look(beat)
    again, stored = stages(registry)
    assert again is not None
    assert emitted is not None
    assert again > emitted
    assert stored == emitted
    (row,) = store.query(filter=ALL).rows
    assert (row.component, row.level) == (COMPONENT, "TRACE")
    beat.close()


def test_while_redis_is_away_the_store_is_looked_at_all_the_same(
    settings, store, working, valkey_server
):
    now = [0.0]
    with Proxy(valkey_server.socket) as proxy:
        cuttable = replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}/0")
        beat, registry = Heartbeat(cuttable, store, lambda: now[0]), CollectorRegistry()
        lookout = Lookout(registry, [beat], (GodotError, DeweyError))
        lookout.look(beat)
        emitted, _ = stages(registry)
        with working():
            deadline = time.monotonic() + 60
            while not store.query(filter=ALL).rows:
                assert time.monotonic() < deadline, "it was not stored"
                time.sleep(0.02)
        proxy.refuse = True
        proxy.cut()
        now[0] += settings.heartbeat_s
        lookout.look(beat)
        failed = registry.get_sample_value(
            "godot_collector_errors_total", {"collector": "heartbeat"}
        )
        assert failed == 1
        assert stages(registry) == [emitted, emitted]
        beat.close()


def test_the_audit_tells_what_became_of_records_and_what_is_lost(settings, store, working, stored):
    producer = Producer()
    registry, audited = CollectorRegistry(), AuditedStream(settings, store)
    lookout = Lookout(registry, [audited], (GodotError, DeweyError))
    labels = {"stream": settings.stream}

    def told(outcome: str) -> float | None:
        return registry.get_sample_value("godot_audit_records", {**labels, "outcome": outcome})

    assert told("lost") is None  # nobody has looked
    with Appender(settings) as appender:
        appender.append([make_record("c", "INFO", "m", producer=producer) for _ in range(5)])
        with working():
            stored(5)
        appender.append([make_record("c", "INFO", "m", producer=producer) for _ in range(3)])
    lookout.look(audited)
    assert [told(outcome) for outcome in ("stored", "in_stream", "lost")] == [5, 3, 0]
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xtrim(settings.stream, maxlen=0, approximate=False)
    lookout.look(audited)
    assert [told(outcome) for outcome in ("stored", "in_stream", "lost")] == [5, 0, 3]
    assert told("unaccounted") == 0
    assert audited.every_s >= 60
