from __future__ import annotations

from clientlib.levels import Levels
from clientlib.transport import Transport
from clientlib.watch import LAST_RETRY_S, LOOK_EVERY_S, Watch

NOBODY = "redis://127.0.0.1:1/0"


def test_a_process_is_a_second_old_before_it_connects_and_failures_make_it_patient():
    now = 100.0
    watch = Watch("s", Transport(NOBODY), Levels(), clock=lambda: now)
    assert watch.wait_s == float("inf")
    watch.start()
    watch.look(outage=False)
    assert watch.wait_s == 1.0  # it has not looked
    waits = []
    for _ in range(5):
        now += watch.wait_s
        watch.look(outage=False)
        waits.append(watch.wait_s)
    assert waits == [1.0, 2.0, 4.0, LAST_RETRY_S, LAST_RETRY_S]


def test_in_an_outage_it_only_waits():
    now = 100.0
    watch = Watch("s", Transport(NOBODY), Levels(), clock=lambda: now)
    watch.start()
    for _ in range(3):
        now += watch.wait_s
        watch.look(outage=True)
        assert watch.wait_s == LOOK_EVERY_S
