"""Consumers that are gone: deleted when they hold nothing, and never when they hold anything."""

from __future__ import annotations

import threading

import pytest

from godot.stream.connection import ask, close, connect
from godot.stream.group import Consumer
from tests.integration.worker.conftest import Bench


@pytest.fixture
def consumers(bench: Bench, settings):
    """Three of one group: a worker that looks after the others, a quiet one, a dead one."""
    client = connect(settings)
    found = [Consumer(client, settings.stream, settings.group, f"{name}:1:x") for name in "abc"]
    found[0].ensure_group()
    yield found
    close(client)


def names(bench: Bench) -> list[str]:
    found = bench.redis.xinfo_consumers(bench.settings.stream, bench.settings.group)
    return sorted(consumer["name"].decode() for consumer in found)


def test_only_consumers_that_hold_nothing_are_deleted(bench: Bench, consumers):
    keeper, holding, idle = consumers
    bench.append(bench.records(2))
    for consumer in (holding, idle, keeper):
        consumer.read_new(1, None)
    idle.acknowledge(idle.held(10))
    assert keeper.bury(3_600_000) == 0, "nobody was silent for so long"
    assert keeper.bury(0) == 1
    assert names(bench) == [keeper.name, holding.name]
    assert len(holding.held(10)) == 1


def test_an_entry_delivered_between_the_look_and_the_deletion_keeps_its_consumer(
    bench: Bench, consumers, monkeypatch
):
    keeper, quiet, _ = consumers
    quiet.read_new(1, None)
    bench.append(bench.records(5))

    def look_then_deliver(client, *command):
        reply = ask(client, *command)
        if command[:2] == ("XINFO", "CONSUMERS"):
            assert [consumer[b"pending"] for consumer in reply] == [0]
            monkeypatch.undo()
            assert len(quiet.read_new(5, None)) == 5
        return reply

    monkeypatch.setattr("godot.stream.group.ask", look_then_deliver)
    assert keeper.bury(0) == 0
    assert len(quiet.held(10)) == 5
    assert bench.pending() == 5


def test_a_read_that_a_stalled_server_does_late_keeps_its_consumer(
    bench: Bench, consumers, settings, monkeypatch
):
    leaving = consumers[1]
    leaving.read_new(1, None)
    bench.append(bench.records(3))
    other = connect(settings)
    late = Consumer(other, settings.stream, settings.group, leaving.name)

    def deliver_first(client, *command):
        if "DELCONSUMER" in command or command[0] == "EVAL":
            monkeypatch.undo()
            assert len(late.read_new(3, None)) == 3
        return ask(client, *command)

    monkeypatch.setattr("godot.stream.group.ask", deliver_first)
    assert not leaving.leave()
    assert bench.pending() == 3
    late.acknowledge(late.held(3))
    assert leaving.leave()
    assert leaving.name not in names(bench)
    close(other)


def test_no_entry_leaves_the_group_while_consumers_are_buried_all_the_time(
    bench: Bench, consumers, settings
):
    """DELCONSUMER takes what is pending along: what was read would not be there to acknowledge."""
    keeper = consumers[0]
    bench.append(bench.records(1_500))
    counts: list[int] = []

    def work(name: str) -> None:
        client = connect(settings)
        busy = Consumer(client, settings.stream, settings.group, name)
        while entries := busy.read_new(3, None):
            counts.append(busy.acknowledge([entry.id for entry in entries]))
        close(client)

    threads = [threading.Thread(target=work, args=(f"busy:{n}:x",)) for n in range(2)]
    for thread in threads:
        thread.start()
    buried = 0
    while any(thread.is_alive() for thread in threads):
        buried += keeper.bury(0)
    for thread in threads:
        thread.join()
    assert sum(counts) == 1_500
    assert buried > 0
