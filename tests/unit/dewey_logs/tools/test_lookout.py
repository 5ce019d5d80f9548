"""Looks go on beside scrapes: what the one takes, the other does not wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from dewey_logs.errors import Unavailable
from dewey_logs.tools import Lookout, gauge


class Lighthouse:
    """A sight that is seen when a test says so."""

    name = "lighthouse"
    every_s = 0.001

    def __init__(self) -> None:
        self.looks = 0
        self.seen = 0.0
        self.away = self.broken = False
        self.lit = threading.Event()
        self.looked = threading.Event()
        self.closed = False

    def look(self) -> None:
        self.looks += 1
        self.looked.set()
        self.lit.wait(60)
        if self.away:
            raise Unavailable("fog")
        if self.broken:
            raise ValueError("a mistake of ours")
        self.seen = 1.0

    def metrics(self) -> Iterator[Metric]:
        yield gauge("godot_lighthouse", "Seen.", self.seen, coast="west")

    def close(self) -> None:
        self.closed = True


def told(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(f"godot_collector_{name}", {"collector": "lighthouse"})


def test_a_scrape_waits_for_no_look_and_counters_are_there_before_the_first():
    registry, sight = CollectorRegistry(), Lighthouse()
    with Lookout(registry, [sight], (Unavailable,)):
        assert sight.looked.wait(60)
        assert registry.get_sample_value("godot_lighthouse", {"coast": "west"}) == 0
        for name in ("errors_total", "duration_seconds", "last_success_timestamp_seconds"):
            assert told(registry, name) == 0
        sight.lit.set()
    assert sight.closed
    assert registry.get_sample_value("godot_lighthouse", {"coast": "west"}) == 1


def test_a_look_that_fails_is_counted_and_tried_again():
    registry, sight = CollectorRegistry(), Lighthouse()
    sight.away = True
    sight.lit.set()
    with Lookout(registry, [sight], (Unavailable,)):
        while sight.looks < 3:
            assert sight.looked.wait(60)
            sight.looked.clear()
    failed = told(registry, "errors_total")
    assert failed is not None
    assert failed >= 2
    assert told(registry, "last_success_timestamp_seconds") == 0
    sight.away = False
    Lookout(CollectorRegistry(), [sight], (Unavailable,)).look(sight)
    assert sight.seen == 1


def test_the_time_of_a_success_is_kept_while_looks_fail():
    registry, sight = CollectorRegistry(), Lighthouse()
    sight.lit.set()
    lookout = Lookout(registry, [sight], (Unavailable,))
    lookout.look(sight)
    success = told(registry, "last_success_timestamp_seconds")
    assert success
    sight.away = True
    lookout.look(sight)
    assert told(registry, "last_success_timestamp_seconds") == success
    assert told(registry, "errors_total") == 1


def test_a_mistake_ends_no_looking_and_its_old_numbers_are_not_told(caplog):
    registry, sight = CollectorRegistry(), Lighthouse()
    sight.lit.set()
    lookout = Lookout(registry, [sight], (Unavailable,))
    lookout.look(sight)
    coast = ("godot_lighthouse", {"coast": "west"})
    assert registry.get_sample_value(*coast) == 1
    sight.broken = True
    with lookout:
        until(lambda: registry.get_sample_value(*coast) is None)
        assert told(registry, "errors_total")
        looks = sight.looks
        until(lambda: sight.looks > looks + 1)
        sight.broken = False
        until(lambda: registry.get_sample_value(*coast) == 1)
    assert "a mistake of ours" in caplog.text


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.001)
