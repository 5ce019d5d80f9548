from __future__ import annotations

from collections import Counter

import anyio

from dewey_logs import Arrivals, LogFilter
from dewey_logs.tools.table import Shape
from dewey_logs.tools.tail import LOOK_EVERY_S, Waiting, arrived

CALLERS = 300
NOTHING = Arrivals(
    rows=(),
    returned=0,
    truncated=False,
    next_cursor="c",
    matched=0,
    matched_capped=False,
    strategy="arrivals",
    took_ms=0.0,
)


def test_many_who_wait_look_no_oftener_than_a_few():
    looks: Counter[int] = Counter()

    async def one(number: int, waiting: Waiting) -> None:
        async def ask(_: object) -> Arrivals:
            looks[number] += 1
            await anyio.sleep(0)  # so that all have begun before one waits
            return NOTHING

        with waiting:
            wait_s = 3 * LOOK_EVERY_S
            await arrived(ask, LogFilter(), Shape(), wait_s, waiting)  # type: ignore[arg-type]  # no store here

    async def all_of_them(callers: int) -> None:
        waiting = Waiting()
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(one, number, waiting)

    anyio.run(all_of_them, CALLERS)
    assert set(looks.values()) == {2}  # at the beginning and at the end
    looks.clear()
    anyio.run(all_of_them, 1)
    assert looks[0] > 2
