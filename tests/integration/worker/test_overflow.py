"""More records than the stream keeps, and nobody to store them: what is lost is known exactly."""

from __future__ import annotations

import socket
from typing import Any

import msgspec

from clientlib import Producer, make_record
from godot import __version__
from godot.stream.append import Appender
from godot.stream.ids import StreamID
from godot.stream.producers import ProducerInfo
from tests.integration.worker.conftest import Bench, eventually

LIMIT = 10_000
PRODUCED = {"silent": 500, "trimmed": 2_000, "newcomer": 12_500}
OFFERED = sum(PRODUCED.values())


def info(producer: Producer, component: str, sent: int) -> ProducerInfo:
    return ProducerInfo(
        producer.number, sent, component, socket.gethostname(), 1, __version__, "-", 0
    )


def test_an_overflow_by_a_third_is_exact_to_the_record(bench: Bench, settings, working):
    """One producer is trimmed completely, another too and never announced itself."""
    limited = msgspec.structs.replace(settings, maxlen=LIMIT)
    producers = {name: Producer() for name in PRODUCED}
    book: list[tuple[StreamID, str, int, str]] = []  # entry, producer, number, record id
    with Appender(limited) as appender:
        for name, count in PRODUCED.items():
            for start in range(0, count, 500):
                records = [
                    make_record(name, "INFO", "m", producer=producers[name]) for _ in range(500)
                ]
                numbers = range(start + 1, start + 501)
                entries = appender.append(records)
                book.extend(
                    (entry, name, number, record.id)
                    for entry, number, record in zip(entries, numbers, records, strict=True)
                )
            if name != "silent":
                appender.announce(info(producers[name], name, count))
    oldest: Any = bench.redis.xrange(settings.stream, count=1)
    first = StreamID.parse(oldest[0][0])
    kept = {record for entry, _, _, record in book if entry >= first}
    lost = {name: sum(one == name for e, one, *_ in book if e < first) for name in PRODUCED}
    assert len(book) == OFFERED
    assert LIMIT <= len(kept) < LIMIT + 1_000
    assert (lost["silent"], lost["trimmed"]) == (PRODUCED["silent"], PRODUCED["trimmed"])

    before = bench.audited().total
    assert (before.lost, before.in_stream, before.stored) == (OFFERED - len(kept), len(kept), 0)
    with working(limited):
        eventually(bench.settled, "everything that is left")
    found = bench.audited()
    assert {str(row[0]) for row in bench.sql("SELECT id FROM logs")} == kept
    assert found.total.stored == len(kept)
    assert (found.total.lost, found.total.unaccounted) == (OFFERED - len(kept), 0)
    assert found.entries.added == OFFERED
    by_name = {item.component: item.totals.lost for item in found.producers}
    assert by_name == {"trimmed": PRODUCED["trimmed"], "newcomer": lost["newcomer"]}
    ranges = {(item.producer, item.first, item.last, item.cause) for item in found.ranges}
    assert ranges == {
        (producers["trimmed"].hex, 1, PRODUCED["trimmed"], "trimmed unread"),
        (producers["newcomer"].hex, 1, lost["newcomer"], "trimmed unread"),
    }
