from __future__ import annotations

from godot.worker.breaker import MAX_DELAY_S, OPEN_AFTER, Breaker


def test_it_opens_after_three_failures_and_closes_at_once():
    breaker = Breaker()
    opened = []
    for _ in range(OPEN_AFTER):
        opened.append(breaker.open)
        breaker.failed()
    assert opened == [False, False, False]
    assert breaker.open
    breaker.succeeded()
    assert not breaker.open


def test_waiting_grows_up_to_the_limit():
    breaker = Breaker(jitter=lambda low, high: high)
    delays = [breaker.failed() for _ in range(40)]
    assert delays == sorted(delays)
    assert delays[0] < delays[3]
    assert delays[-1] == MAX_DELAY_S
