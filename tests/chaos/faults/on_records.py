"""Faults of the records: what PostgreSQL refuses, what nobody can read, what is not ours."""

from __future__ import annotations

from clientlib import LogRecord
from tests.chaos.book import Kind
from tests.chaos.faults.matrix import RECORDS, Scene, Steps, fault
from tests.chaos.producers import Fields, make
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
