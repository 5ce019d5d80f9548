"""Faults of the disks: volumes that are full, and an fsync that fails.

Redis runs with appendfsync always, so it ends rather than accept what it cannot keep; PostgreSQL
ends when its write-ahead log cannot be written, and cannot even recover before there is room.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence

import psycopg

from godot.embedded.process import Child
from tests.chaos.faults.matrix import (
    POSTGRES,
    REDIS,
    Failed,
    Impossible,
    Scene,
    Skipped,
    Steps,
    fault,
    until,
)
from tests.chaos.faults.on_postgres import kill_all, start_postgres
from tests.chaos.faults.on_redis import start_redis
from tests.chaos.processes import children
from tests.chaos.volumes import Volumes

WAL_SEGMENT = 16_777_216
FILLER = "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 4000000), true)"
TABLE = "CREATE TEMP TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
COMMIT = "SELECT pg_logical_emit_message(true, 'commit', '')"
BITE_S = 15
EIO = ("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")


@fault("redis-disk-full", "no room for Redis' AOF: it ends; started when there is again", REDIS)
def redis_full(scene: Scene) -> Steps:
    volume, child = _volumes(scene).redis, scene.world.valkey.child
    assert child is not None
    try:
        volume.fill()
        yield from until(lambda: not child.running, 10, "Redis to notice")
        yield scene.rng.uniform(0.1, 2.0)
        volume.free()
        yield from start_redis(scene)
    finally:
        volume.free()
        if not child.running and child is scene.world.valkey.child:
            scene.world.valkey.launch()


@fault("pg-disk-full", "no room for PostgreSQL's tables", POSTGRES)
def tables_full(scene: Scene) -> Steps:
    volume = _volumes(scene).data
    try:
        volume.fill()
        try:
            scene.world.sql(TABLE)
        except psycopg.OperationalError as exc:  # perhaps it cannot even open a session
            if "No space left" not in str(exc):
                raise
        else:
            raise Failed("a table finds room on a full disk")
        yield scene.world.reclaim_s * scene.rng.uniform(0.5, 1.5)
    finally:
        volume.free()
    yield from start_postgres(scene)


@fault("pg-wal-full", "no room for PostgreSQL's log: PANIC, down until there is", POSTGRES)
def wal_full(scene: Scene) -> Steps:
    """Use up the segments that were made ahead, too: only a new one needs room."""
    volume, child = _volumes(scene).wal, scene.world.postgres.child
    assert child is not None
    try:
        volume.fill(scene.rng.randint(0, WAL_SEGMENT))
        for _ in range(200):
            try:
                scene.world.sql(FILLER)
            except psycopg.Error:
                break
            yield 0.0
        else:
            raise Failed("the write-ahead log finds room on a full disk")
        with contextlib.suppress(Failed):  # it may come back by itself: then it has found room
            yield from until(lambda: not child.running, 5, "PostgreSQL to end")
        yield scene.rng.uniform(0.0, 1.0)
    finally:
        volume.free()
    yield from start_postgres(scene)


@fault("pg-fsync-error", "PostgreSQL's fsync answers EIO: PANIC and recovery", POSTGRES)
def postgres_eio(scene: Scene) -> Steps:
    """Have it recover by itself; what was traced may miss that a child of its own has died."""
    postgres = scene.world.postgres
    child = postgres.child
    assert child is not None
    said = child.log.stat().st_size

    def panics() -> bool:
        with contextlib.suppress(psycopg.Error):
            scene.world.sql(COMMIT)
        return b"PANIC" in child.log.read_bytes()[said:]

    yield from _failing_fsync(scene, [child.pid, *children(child.pid)], panics)
    try:
        yield from until(lambda: postgres.ready() or not child.running, 5, "PostgreSQL to recover")
    except Failed:
        kill_all(scene)
    yield from start_postgres(scene)


@fault("redis-fsync-error", "Redis' fsync answers EIO: it ends and is started again", REDIS)
def redis_eio(scene: Scene) -> Steps:
    child = scene.world.valkey.child
    assert child is not None
    yield from _failing_fsync(scene, [child.pid], lambda: not child.running)
    yield from start_redis(scene)


def _failing_fsync(scene: Scene, pids: Sequence[int], bites: Callable[[], bool]) -> Steps:
    """Have every fsync fail until it is seen to have an effect."""
    strace = shutil.which("strace")
    if strace is None:
        raise Impossible("strace is not installed")
    attached = [part for pid in pids for part in ("-p", str(pid))]
    log = scene.world.folder / "strace.log"
    tracer = Child("strace", [strace, "-f", "-qq", *EIO, "-o", "/dev/null", *attached], log=log)
    try:
        yield 0.3
        if not tracer.running and "attach" in (words := tracer.last_words()):
            why = words.splitlines()[-1]
            raise Skipped(why) if "No such process" in why else Impossible(why)
        yield from until(bites, BITE_S, "an fsync that fails to be noticed")
        yield scene.rng.uniform(0.0, 1.0)
    finally:
        tracer.stop()


def _volumes(scene: Scene) -> Volumes:
    volumes = scene.world.volumes
    if isinstance(volumes, str):
        raise Impossible(volumes)
    return volumes
