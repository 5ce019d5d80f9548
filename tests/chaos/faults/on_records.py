"""Faults of the records: what PostgreSQL refuses, what nobody can read, what is not ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from clientlib import LogRecord
from tests.chaos.book import Fields, Kind
from tests.chaos.faults.matrix import POSTGRES, RECORDS, REDIS, Scene, Skipped, Steps, fault
from tests.chaos.faults.on_postgres import locked
from tests.chaos.producers import make
from tests.chaos.world import REFUSED

POISON: tuple[tuple[bytes, bytes], ...] = (
    (b"message", b"nul \0 and \xff"),
    (b"data", b'{"n": 1e400000}'),
    (b"data", b'{"n": ' + b"9" * 150_000 + b"}"),
    (b"data", b'{"n": 1' + b"0" * 140_000 + b"e9}"),
    (b"data", b'{"deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
    (b"data", b'{"nul": "\\u0000", "half": "\\ud800"}'),
    (b"data", b'{"a": NaN, "a": Infinity}'),
    (b"trace_id", b"\0\xff" * 100),
    (b"created_at", b"9999-12-31T23:59:59.999999Z"),
    (b"component", b"c\0" * 300),
)
HOPELESS: tuple[tuple[bytes, bytes | None], ...] = (
    (b"message", None),
    (b"component", None),
    (b"level", b"LOUD"),
    (b"level", None),
    (b"data", b"{broken"),
    (b"v", b"9"),
    (b"message", REFUSED.encode()),
    (b"message", REFUSED.encode()),
)
FULL = """
CREATE OR REPLACE FUNCTION chaos_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend the dead letters' USING ERRCODE = 'disk_full';
END $$
"""
REFUSE = """
CREATE TRIGGER chaos_full BEFORE INSERT ON logs_rejected EXECUTE FUNCTION chaos_full()
"""


@fault(
    "poison-rows", "NUL, 1e400000, 150,000 digits, 5,000 levels deep, among good records", RECORDS
)
def poison(scene: Scene) -> Steps:
    _send(scene, scene.rng.sample(POISON, 3), Kind.EITHER)
    yield 0.1


@fault(
    "undecodable",
    "no message, unknown level, unknown version, broken JSON, a row PostgreSQL refuses",
    RECORDS,
)
def undecodable(scene: Scene) -> Steps:
    _send(scene, scene.rng.sample(HOPELESS, 3), Kind.DEAD)
    yield 0.1


@fault(
    "dead-letters-refused",
    "undecodable records, and nowhere to keep them",
    RECORDS,
    POSTGRES,
    REDIS,
)
def nowhere_to_keep(scene: Scene) -> Steps:
    """Lock the table of dead letters, or have PostgreSQL say that it is full."""
    world, since = scene.world, len(scene.world.book.items)
    with contextlib.ExitStack() as undo:
        if scene.rng.random() < 0.5:
            undo.enter_context(locked(scene, "logs_rejected"))
        else:
            undo.enter_context(_full(scene))
        _send(scene, scene.rng.sample(HOPELESS[:-2], 3), Kind.DEAD)
        yield world.reclaim_s * scene.rng.uniform(0.5, 1.5)
        sent = [item for item in list(world.book.items.values())[since:] if item.kind is Kind.DEAD]
        accepted = [entry for item in sent for entry in list(item.entries)]
        found = world.unsettled()
        unsettled = {*found.pending, *found.waiting}
        world.hasty += [entry for entry in accepted if entry not in unsettled]


@contextlib.contextmanager
def _full(scene: Scene) -> Iterator[None]:
    world = scene.world
    world.sql(FULL)
    try:
        with world.session() as connection:
            connection.execute("SET lock_timeout = '2s'")
            try:
                connection.execute(REFUSE)
            except psycopg.errors.LockNotAvailable:
                raise Skipped("the dead letters are busy") from None
        yield
    finally:
        world.sql("DROP FUNCTION chaos_full() CASCADE")


@fault("foreign", "entries without an id of ours", RECORDS)
def foreign(scene: Scene) -> Steps:
    scene.specials.send_foreign(scene.rng.randint(1, 20))
    yield 0.1


@fault("twice", "the same records appended again, together and later", RECORDS)
def twice(scene: Scene) -> Steps:
    records = [_record(scene) for _ in range(scene.rng.randint(1, 30))]
    scene.specials.send([*records, *records])
    yield scene.rng.uniform(0.0, 1.0)
    scene.specials.send(records)


def _send(scene: Scene, changes: object, kind: Kind) -> None:
    """Send broken records with a good neighbour on either side, in one pipeline each."""
    assert isinstance(changes, list)
    for name, value in changes:
        record = _record(scene)
        scene.specials.send([_record(scene)])
        scene.specials.send([record], kind, [_changed(record, name, value)])
        scene.specials.send([_record(scene)])


def _record(scene: Scene) -> LogRecord:
    return make(scene.rng, scene.specials.producer, scene.specials.name)


def _changed(record: LogRecord, name: bytes, value: bytes | None) -> Fields:
    fields = dict(record.fields())
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value
    return list(fields.items())
