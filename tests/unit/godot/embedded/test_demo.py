from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from itertools import islice

from godot.embedded.demo import COMPONENTS, Line, send, visits


def test_traffic_has_every_component_traces_across_them_and_a_few_errors() -> None:
    lines = list(islice(visits(random.Random(7)), 5_000))
    assert {line.component for line in lines} == set(COMPONENTS)
    across = defaultdict(set)
    for line in lines:
        if line.trace_id is not None:
            across[line.trace_id].add(line.component)
    assert max(map(len, across.values())) >= 5
    levels = Counter(line.level for line in lines)
    assert 0.001 < levels["ERROR"] / len(lines) < 0.05
    assert levels["INFO"] > levels["WARN"] > 0
    failed = {line.trace_id for line in lines if line.message == "card declined"}
    assert all({"shop.payments", "shop.checkout"} <= across[trace] for trace in failed if trace)


def test_the_rate_is_kept_over_time_whatever_a_single_wait_does() -> None:
    now = 0.0
    emitted: list[Line] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal now
            now += (timeout or 0.0) + 0.013  # a scheduler is never punctual
            return now >= 10.0

    count = send(visits(random.Random(1)), 50.0, emitted.append, Stopping(), lambda: now)
    assert count == len(emitted)
    assert 495 <= count <= 505
