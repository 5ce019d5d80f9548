"""Faults of PostgreSQL and of the way to it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

from dewey_logs import DeweyError, partitions
from tests.chaos.book import Kind
from tests.chaos.faults.matrix import POSTGRES, Failed, Scene, Skipped, Steps, fault, until
from tests.chaos.processes import children
from tests.chaos.producers import make

RETENTION_DAYS = 5
AGED = timedelta(days=6)  # the workers keep seven, the fault's retention five


@fault("pg-crash", "pg_ctl stop -m immediate, then start", POSTGRES)
def crash(scene: Scene) -> Steps:
    postgres = scene.world.postgres
    postgres.kill()
    yield scene.rng.uniform(0.1, 2.0)
    yield from start_postgres(scene)


@fault("pg-kill-9", "kill -9 of the postmaster and every backend, then start", POSTGRES)
def kill(scene: Scene) -> Steps:
    kill_all(scene)
    yield scene.rng.uniform(0.5, 2.0)
    yield from start_postgres(scene)


def kill_all(scene: Scene) -> None:
    child = scene.world.postgres.child
    assert child is not None
    for pid in (*children(child.pid), child.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait(10.0)


def start_postgres(scene: Scene) -> Steps:
    """Start it unless it runs, and wait until it accepts connections."""
    postgres = scene.world.postgres
    for _ in range(100):  # it refuses while a backend of its predecessor still ends
        if postgres.child is None or not postgres.child.running:
            postgres.launch()
        child = postgres.child
        assert child is not None
        while child.running:
            if postgres.ready():
                return
            yield 0.1
        yield 0.2
    raise AssertionError("PostgreSQL does not start again")


@fault("pg-terminate", "pg_terminate_backend, in the middle of a COPY when there is one", POSTGRES)
def terminate(scene: Scene) -> Steps:
    world = scene.world
    for _ in range(40):
        query = "state = 'active' AND query LIKE 'COPY%'"
        if world.sql(_TERMINATE.format(where=query)):
            return
        yield 0.01
    world.sql(_TERMINATE.format(where="true"))


_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name IN ('godot-worker', 'dewey-mcp') AND {where}"
)


@fault("pg-lost-replies", "PostgreSQL commits, the answer to a worker is lost", POSTGRES)
def lost_replies(scene: Scene) -> Steps:
    proxy = scene.rng.choice(scene.world.fleet.slots).postgres
    proxy.swallow_replies = True
    yield scene.rng.uniform(0.1, 1.5)
    proxy.cut()
    proxy.swallow_replies = False


@fault("pg-stall", "nothing passes between the workers and PostgreSQL", POSTGRES)
def stall(scene: Scene) -> Steps:
    proxies = [slot.postgres for slot in scene.world.fleet.slots]
    for proxy in proxies:
        proxy.stall = True
    yield scene.world.reclaim_s * scene.rng.uniform(0.3, 1.5)
    for proxy in proxies:
        proxy.stall = False


@fault("pg-reset", "the workers' connections to PostgreSQL are reset", POSTGRES)
def reset(scene: Scene) -> Steps:
    for _ in range(scene.rng.randint(1, 5)):
        for slot in scene.world.fleet.slots:
            slot.postgres.cut()
        yield scene.rng.uniform(0.01, 0.4)


@fault("pg-table-locked", "LOCK TABLE logs", POSTGRES)
def lock(scene: Scene) -> Steps:
    with locked(scene, "logs"):
        yield scene.world.reclaim_s * scene.rng.uniform(0.3, 1.5)


@contextlib.contextmanager
def locked(scene: Scene, table: LiteralString) -> Iterator[None]:
    """Hold a table; not waiting for long, for a worker that is stopped may hold it itself."""
    with scene.world.session() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        try:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            raise Skipped(f"{table} is busy") from None
        yield


@fault("pg-no-connections", "every connection is taken, the workers' are ended", POSTGRES)
def exhaust(scene: Scene) -> Steps:
    held: list[psycopg.Connection] = []
    try:
        for end_workers in (False, True):
            if end_workers:
                if not held:
                    raise Failed("not one session can be opened")
                held[0].execute(_TERMINATE.format(where="true"))
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    held.append(scene.world.session())
        yield scene.rng.uniform(0.5, 3.0)
    finally:
        for connection in held:
            connection.close()
    yield from until(lambda: _opens(scene), 20, "a session to be free again")


def _opens(scene: Scene) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        return bool(scene.world.sql("SELECT 1"))
    return False


@fault("pg-day-missing", "the day that records belong to has no partition", POSTGRES)
def day_missing(scene: Scene) -> Steps:
    """Drop a day in which nothing is, and send records of that day."""
    world = scene.world
    ago = [timedelta(days=n) for n in (1, 2, 3, 4)] + [timedelta(hours=-20)]
    scene.rng.shuffle(ago)
    days = {day.name for day in partitions.partitions(world.postgres.url("dewey"))}
    for distance in ago:
        name = f"logs_{datetime.now(UTC) - distance:%Y%m%d}"
        if name in days and _dropped_empty(scene, sql.Identifier(name)):
            break
    else:
        raise Skipped("every day within reach has records by now")
    producer = scene.specials.producer
    scene.specials.send(
        [make(scene.rng, producer, scene.specials.name, ago=distance) for _ in range(50)],
    )
    yield 0.2


def _dropped_empty(scene: Scene, day: sql.Identifier) -> bool:
    """Drop a day unless anything is in it; nobody can add to it between the look and the drop."""
    with scene.world.session() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        try:
            # as DROP does, the parent first: workers lock in this order
            connection.execute("LOCK TABLE ONLY logs IN ACCESS EXCLUSIVE MODE")
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(day))
        except psycopg.errors.LockNotAvailable:
            raise Skipped("the table is busy") from None
        if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(day)).fetchone():
            return False
        connection.execute(sql.SQL("DROP TABLE {}").format(day))
    return True


@fault("retention", "records that are six days old; a day is dropped meanwhile", POSTGRES)
def retention(scene: Scene) -> Steps:
    producer = scene.specials.producer
    for _ in range(3):
        scene.specials.send(
            [make(scene.rng, producer, scene.specials.name, ago=AGED) for _ in range(20)],
            Kind.AGED,
        )
        yield scene.rng.uniform(0.05, 0.4)
        with contextlib.suppress(DeweyError):  # a lock that others hold: the next run goes on
            partitions.drop_expired(scene.world.postgres.url("dewey"), RETENTION_DAYS)


@fault("partitions-move", "days detached concurrently and attached again, under load", POSTGRES)
def move_partitions(scene: Scene) -> Steps:
    """Take today away, an empty day, or both; workers attach a day that they miss themselves."""
    for days in scene.rng.sample((0, 0, -1, 3), 2):
        at = datetime.now(UTC) + timedelta(days=days)
        with scene.world.session() as connection:
            connection.execute("SET lock_timeout = '2s'")
            name = f"logs_{at:%Y%m%d}"
            part = sql.Identifier(name)
            with contextlib.suppress(psycopg.Error):  # busy, or another's detaching is not done
                connection.execute(_DETACH.format(part, sql.SQL("CONCURRENTLY")))
            yield scene.rng.uniform(0.0, 1.0)
            for _ in range(100):
                try:
                    connection.execute("SELECT dewey_ensure_partition(%s)", (at,))
                    break
                except psycopg.errors.ObjectInUse:  # half detached: that has to be finished first
                    with contextlib.suppress(psycopg.Error):
                        connection.execute(_DETACH.format(part, sql.SQL("FINALIZE")))
                except psycopg.errors.LockNotAvailable:
                    pass
                yield 0.1
            else:
                raise AssertionError(f"{name} cannot be attached again")
    partitions.ensure(scene.world.postgres.url("dewey"))


_DETACH = sql.SQL("ALTER TABLE logs DETACH PARTITION {} {}")
