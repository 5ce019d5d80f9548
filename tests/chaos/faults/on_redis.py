"""Faults of Redis and of the way to it; some destroy what it had accepted, and say which."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import redis

from clientlib import Producer
from godot.stream.append import Appender
from godot.stream.ids import ZERO, StreamID
from tests.chaos.book import Kind
from tests.chaos.faults.matrix import FRONT, REDIS, WORKERS, Scene, Steps, fault, until
from tests.chaos.producers import announce, make
from tests.chaos.world import GROUP, MAXMEMORY, STREAM, World

OVERFLOW_LIMIT = 1_000
DAY_MS = 86_400_000


@fault("redis-kill", "kill -9 of Redis, restarted from its AOF", REDIS)
def kill(scene: Scene) -> Steps:
    valkey = scene.world.valkey
    valkey.kill()
    yield scene.rng.uniform(0.1, 2.0)
    yield from start_redis(scene)


def start_redis(scene: Scene) -> Steps:
    """Start it unless it runs, and wait until it answers."""
    valkey = scene.world.valkey
    if valkey.child is None or not valkey.child.running:
        valkey.launch()
    yield from until(valkey.ready, 20, "Redis to answer")


@fault("redis-rollback", "Redis crashes and the end of its AOF is gone", REDIS, loses=True)
def rollback(scene: Scene) -> Steps:
    """Take back what was accepted last: a slow disk, a power cut or a stale replica does so."""
    world = scene.world
    with world.redis() as client:
        client.client_pause(10_000, all=False)  # nothing is added or settled from here on
    before = world.unsettled()
    world.valkey.kill()
    killed_at = StreamID(int(time.time() * 1000) + 1, 0)
    last = ZERO
    try:
        file = max((world.aof / "appendonlydir").glob("*.incr.aof"), key=_serial)
        os.truncate(file, max(0, file.stat().st_size - scene.rng.randint(1, 100_000)))
        yield from start_redis(scene)
        with world.redis() as client:
            found: Any = client.xrevrange(STREAM, str(killed_at), "-", 1)
        last = StreamID.parse(found[0][0]) if found else ZERO
    finally:  # what is left of it cannot be known unless it answers
        gone = {entry: id for entry, id in before.unsettled.items() if entry > last}
        world.book.group_lost(before._replace(delivered=min(before.delivered, last)))
        world.book.destroy(gone)
        world.book.stream_lost(set_back=True)


def _serial(file: Path) -> int:
    return int(file.name.split(".")[-3])


@fault("redis-flushall", "FLUSHALL", REDIS, loses=True)
def flushall(scene: Scene) -> Steps:
    scene.world.destroy("FLUSHALL")
    scene.world.book.stream_lost()
    yield 0.5


@fault("redis-del", "DEL of the stream", REDIS, loses=True)
def delete(scene: Scene) -> Steps:
    scene.world.destroy("DEL", STREAM)
    scene.world.book.stream_lost()
    yield 0.5


@fault("group-destroy", "XGROUP DESTROY", REDIS)
def destroy_group(scene: Scene) -> Steps:
    with contextlib.suppress(redis.ResponseError):  # there is no stream just now
        scene.world.book.group_lost(scene.world.destroy("XGROUP", "DESTROY", STREAM, GROUP))
    yield 1.0


@fault(
    "rogue-trim",
    "a stranger trims all of it: XADD MAXLEN 0 or XTRIM",
    REDIS,
    loses=True,
)
def rogue(scene: Scene) -> Steps:
    if scene.rng.random() < 0.5:
        scene.world.destroy("XTRIM", STREAM, "MAXLEN", 0)
    else:
        scene.world.destroy("XADD", STREAM, "MAXLEN", 0, "*", "message", "not for us")
        scene.world.book.destroy_foreign(1)
    yield 0.5


@fault("redis-future-id", "a stranger adds an entry with an id a day ahead", REDIS, alone=True)
def future_id(scene: Scene) -> Steps:
    """Have every later id be that of the same millisecond, until the clock gets there."""
    ahead = int(time.time() * 1000) + DAY_MS
    mark = f"a day ahead {ahead}"
    with scene.world.redis() as client:
        fields: Any = {"component": "foreign", "level": "info", "message": mark}
        with contextlib.suppress(redis.ResponseError):  # a later id is there already
            entry: Any = client.xadd(STREAM, fields, id=f"{ahead}-0")
            scene.world.book.add_foreign(mark, StreamID.parse(entry))
    yield 0.5


@fault("redis-full", "maxmemory reached, records are refused", REDIS)
def full(scene: Scene) -> Steps:
    with scene.world.redis() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + scene.rng.randint(0, 200_000))
    yield scene.rng.uniform(1.0, 4.0)
    with scene.world.redis() as client:
        client.config_set("maxmemory", MAXMEMORY)


@fault("redis-pause", "CLIENT PAUSE", REDIS)
def pause(scene: Scene) -> Steps:
    with scene.world.redis() as client:
        client.client_pause(scene.rng.randint(200, 3_000))
    yield 3.0


@fault("redis-stop", "SIGSTOP of Redis, then SIGCONT", REDIS)
def stop(scene: Scene) -> Steps:
    child = scene.world.valkey.child
    assert child is not None
    child.popen.send_signal(signal.SIGSTOP)
    yield scene.rng.uniform(0.3, 7.0)
    child.popen.send_signal(signal.SIGCONT)


@fault("redis-lost-replies", "Redis does what a worker asks, its answers are lost", REDIS)
def lost_replies(scene: Scene) -> Steps:
    proxy = scene.rng.choice(scene.world.fleet.slots).redis
    proxy.swallow_replies = True
    yield scene.rng.uniform(0.2, 2.0)
    proxy.cut()
    proxy.swallow_replies = False


@fault("append-lost-replies", "Redis takes records, the producers never hear of it", FRONT)
def append_lost_replies(scene: Scene) -> Steps:
    proxy = scene.world.front
    proxy.swallow_replies = True
    yield scene.rng.uniform(0.1, 1.0)
    proxy.cut()
    proxy.swallow_replies = False


@fault("append-reset", "the producers' connections are reset and refused", FRONT)
def append_reset(scene: Scene) -> Steps:
    proxy = scene.world.front
    proxy.refuse = scene.rng.random() < 0.5
    for _ in range(scene.rng.randint(1, 5)):
        proxy.cut()
        yield scene.rng.uniform(0.01, 0.4)
    proxy.refuse = False


@fault("redis-reset", "the workers' connections to Redis are reset", REDIS)
def reset(scene: Scene) -> Steps:
    for _ in range(scene.rng.randint(1, 5)):
        for slot in scene.world.fleet.slots:
            slot.redis.cut()
        yield scene.rng.uniform(0.01, 0.4)


@fault("overflow", "trimmed unread: MAXLEN 1000, nobody works", WORKERS, REDIS, loses=True)
def overflow(scene: Scene) -> Steps:
    """Let a known producer, a new one and one that is trimmed completely overrun the stream."""
    world, rng = scene.world, scene.rng
    for slot in world.fleet.slots:
        slot.held = True
        world.fleet.kill(slot)
    yield from until(lambda: _nobody_waits(world), 20, "the server to notice that nobody waits")
    known = scene.specials.producer
    buried, fresh = Producer(rng.getrandbits(38)), Producer(rng.getrandbits(38))
    for producer, name, count in (
        (buried, "buried", 200),
        (known, scene.specials.name, 50),
        (fresh, "fresh", 2 * OVERFLOW_LIMIT + rng.randint(0, 500)),
    ):
        _append(world, scene, producer, name, count)
        yield 0.01
    for slot in world.fleet.slots:
        slot.held = False


def _nobody_waits(world: World) -> bool:
    with world.redis() as client:
        return int(client.info("clients")["blocked_clients"]) == 0


def _append(world: World, scene: Scene, producer: Producer, name: str, count: int) -> None:
    """Append as producers with a low limit do; every hundredth trims, and is looked at."""
    records = [make(scene.rng, producer, name) for _ in range(count)]
    world.book.offer(records, Kind.STORED)
    with world.redis() as client, Appender(world.settings(direct=True)) as appender:
        announce(client, STREAM, producer, name)
        for start in range(0, count, 100):
            *part, last = records[start : start + 100]
            world.book.accepted(part, appender.append(part) if part else [])
            found = world.destroy(
                *("XADD", STREAM, "MAXLEN", "~", OVERFLOW_LIMIT, "*"),
                *(text for pair in last.fields() for text in pair),
            )
            world.book.accepted([last], [StreamID.parse(found.reply)])
