"""Whoever only counts gets no payload: one entry may be larger than all of our memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from godot import replay
from godot.identity import given_id
from godot.repair import Repair
from godot.settings import Settings
from godot.stream import history, inventory, outline, snapshot
from godot.stream.connection import close, connect
from godot.stream.follow import Follower
from godot.stream.group import Consumer
from godot.stream.ids import ZERO
from godot.stream.replies import Entry
from tests.integration.worker.conftest import Bench

LARGE = "x" * 1_000_000
ID = "019b2f3c-8a41-8000-8000-01234567abcd"
OTHER = "019b2f3c-8a41-8000-8000-0123456700ff"

FIELDS: list[dict[bytes | str, bytes | str]] = [
    {"id": ID, "message": "m"},
    {"message": "m"},
    {"id": ID, "json": "{}"},
    {"json": json.dumps({"message": "m", "data": {"id": OTHER}, "id": ID})},
    {"json": json.dumps({"message": f'"id": "{OTHER}"', "id": ID.upper()})},
    {"json": json.dumps({"data": {"id": OTHER}})},
    {"json": json.dumps({"id": None})},
    {"json": json.dumps([ID])},
    {"json": json.dumps(ID)},
    {"json": json.dumps({"id": ID})[:-1] + ', "n": NaN}'},
    {"json": json.dumps({"id": ID})[:-1]},
    {"json": b'{"id": "%s", "message": "\xff"}' % ID.encode()},
    {"json": json.dumps({"id": ID, "message": LARGE, "data": {"id": OTHER}})},
    {"json": json.dumps({"message": LARGE + f'"id": "{OTHER}"', "id": ID})},
]


@pytest.fixture
def scriptless(bench: Bench, settings: Settings) -> Iterator[Settings]:
    """The settings of a login that may do everything but run scripts."""
    bench.redis.execute_command(
        *("ACL", "SETUSER", settings.stream, "on", ">secret", "~*", "+@all", "-@scripting")
    )
    url = settings.redis_url.replace("://", f"://{settings.stream}:secret@", 1)
    yield msgspec.structs.replace(settings, redis_url=url)
    bench.redis.acl_deluser(settings.stream)


def looks(settings: Settings) -> list[Any]:
    """Look at the stream in all the ways that show no record."""
    found = snapshot.take(settings)
    group = msgspec.structs.replace(found.group, waiting_ms=0, consumers=())
    same = msgspec.structs.replace(found, now_ms=0, at_s=0, bytes=0, memory_bytes=0, group=group)
    with Repair(settings) as repair:
        plan = repair.plan_claim(1)
        given_up = repair.plan_ack(plan.settle)
    with Follower(settings) as follower:
        newest = follower.position
    part = replay.measure(settings, ZERO, None)
    return [same, plan, len(given_up.entries), newest, part, inventory.take(settings)]


def test_looking_brings_no_payload_and_shows_the_same_without_scripts(
    bench: Bench, settings: Settings, scriptless: Settings
):
    assert looks(settings) == looks(scriptless)
    bench.append(bench.records(1, trace_id=ID))
    for _ in range(3):
        bench.add_raw(json=json.dumps({"id": ID, "message": LARGE}))
    client = connect(settings)
    dead = Consumer(client, settings.stream, settings.group, "dead:1:x")
    dead.ensure_group()
    taken = dead.read_new(3, None)
    dead.release([entry.id for entry in taken], 3_600_000)
    bench.redis.xdel(settings.stream, str(taken[1].id))
    before: Any = bench.redis.info("stats")
    found = looks(settings)
    after: Any = bench.redis.info("stats")
    assert after["total_net_output_bytes"] - before["total_net_output_bytes"] < 100_000
    assert found == looks(scriptless)
    shown, plan, *_, held = found
    assert (shown.entries, shown.group.pending, shown.group.undelivered) == (3, 3, 1)
    assert (plan.settle, plan.without_payload) == ((taken[0].id, taken[2].id), (taken[1].id,))
    assert [item.sequence is not None for item in held.held] == [True, True, True]
    close(client)


def test_a_page_of_large_entries_is_short_and_not_the_end(bench: Bench, settings: Settings):
    for _ in range(12):
        bench.add_raw(message=LARGE)
    client = connect(settings)
    page = outline.entry_ids(client, "XRANGE", settings.stream, "-", "+")
    backwards = outline.entry_ids(client, "XREVRANGE", settings.stream, "+", "-")
    assert len(page) == len(backwards) == 9, "once it has looked at 8 MiB"
    assert [entry for entry, _ in outline.records(client, settings.stream, "-", "+")] == page
    part = replay.measure(settings, ZERO, None)
    assert part.entries == len(inventory.take(settings).held) == 12
    pages = history.pages(client, settings.stream, part, 1_000, 3 * len(LARGE))
    assert [len(page) for page in pages] == [12]
    pages = history.pages(client, settings.stream, part, 5, 3 * len(LARGE))
    assert [len(page) for page in pages] == [5, 2, 2, 2, 1]
    close(client)


def test_the_server_finds_the_record_ids_that_we_find(bench: Bench, settings: Settings):
    added = [bench.add_raw(**fields) for fields in FIELDS]  # type: ignore[arg-type]  # str keys
    client = connect(settings)
    found = outline.records(client, settings.stream, "-", "+")
    assert [str(entry) for entry, _ in found] == added
    shown = {str(entry): raw for entry, raw in found}
    for one, fields in zip(added, FIELDS, strict=True):
        raw = [
            part if isinstance(part, bytes) else part.encode()
            for pair in fields.items()
            for part in pair
        ]
        assert shown[one] == given_id(Entry(ZERO, raw)), fields
    close(client)
