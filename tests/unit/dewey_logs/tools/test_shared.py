from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dewey_logs import QueryTimeout
from dewey_logs.tools.caller import LOCAL, serving
from dewey_logs.tools.line import Line
from dewey_logs.tools.shared import Shared


class Calls:
    """Calls that answer how many there were before them, once they may."""

    def __init__(self) -> None:
        self.shared: Shared[int] = Shared(at_once=3)
        self.made = 0
        self.may_end = asyncio.Event()

    async def make(self) -> int:
        self.made += 1
        number = self.made
        await self.may_end.wait()
        return number

    def ask(self, key: str = "same") -> asyncio.Task[int]:
        return asyncio.create_task(self.shared.answer(key, self.make))


async def settled() -> None:
    """Let every task go as far as it comes."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(within())


def test_of_those_who_would_wait_one_is_made_for_all():
    async def test() -> None:
        calls = Calls()
        asked = [calls.ask() for _ in range(20)]
        await settled()
        assert calls.made == 3
        calls.may_end.set()
        assert await asyncio.gather(*asked) == [1, 2, 3, *[4] * 17]
        assert await calls.ask() == 5

    run(test)


def test_what_they_are_told_was_asked_after_the_last_had_come():
    async def test() -> None:
        calls = Calls()
        first = [calls.ask() for _ in range(4)]
        await settled()
        calls.may_end.set()
        await asyncio.gather(*first[:3])
        calls.may_end.clear()
        await settled()  # the fourth is being made
        assert calls.made == 4
        late = [calls.ask() for _ in range(5)]
        await settled()
        calls.may_end.set()
        assert await first[3] == 4
        assert min(await asyncio.gather(*late)) > 4

    run(test)


def test_who_asks_something_else_does_not_wait():
    async def test() -> None:
        calls = Calls()
        same = [calls.ask() for _ in range(5)]
        others = [calls.ask(str(i)) for i in range(5)]
        await settled()
        assert calls.made == 8
        calls.may_end.set()
        await asyncio.gather(*same, *others)

    run(test)


def test_who_gives_up_leaves_the_others_theirs():
    async def test() -> None:
        calls = Calls()
        asked = [calls.ask() for _ in range(6)]
        await settled()
        asked[3].cancel()  # the first of those who wait
        await settled()
        calls.may_end.set()
        assert await asyncio.gather(*asked[4:]) == [4, 4]

    run(test)


@pytest.mark.parametrize("begun", [False, True])
def test_with_the_last_who_gives_up_the_call_is_given_up(begun: bool):
    async def test() -> None:
        calls = Calls()
        asked = [calls.ask() for _ in range(6)]
        await settled()
        if begun:
            calls.may_end.set()
            await asyncio.gather(*asked[:3])
            calls.may_end.clear()
            await settled()
        made = calls.made
        for one in asked[3:]:
            one.cancel()
        await settled()
        late = calls.ask()
        await settled()
        calls.may_end.set()
        assert await late == made + 1  # no dead call is joined, and none was made for nobody
        assert calls.made == made + 1

    run(test)


def test_the_caller_for_whom_it_was_meant_first_may_hang_up():
    async def test() -> None:
        calls, line = Calls(), Line()

        async def attended() -> int:
            with serving(LOCAL, {}, line):
                return await calls.shared.answer("same", calls.make)

        first = [calls.ask() for _ in range(3)]
        await settled()
        leading = asyncio.create_task(attended())
        await settled()
        following = calls.ask()
        await settled()
        line.hang_up()
        with pytest.raises(QueryTimeout, match="hung up"):
            await leading
        calls.may_end.set()
        await asyncio.gather(*first)
        assert await following == 4

    run(test)


def test_a_failure_is_told_to_all_who_waited_and_to_nobody_after_them():
    async def test() -> None:
        calls = Calls()

        async def fail() -> int:
            raise ValueError("no")

        first = [calls.ask() for _ in range(3)]
        await settled()
        failing = [asyncio.create_task(calls.shared.answer("same", fail)) for _ in range(4)]
        await settled()
        calls.may_end.set()
        found = await asyncio.gather(*failing, return_exceptions=True)
        assert [str(one) for one in found] == ["no"] * 4
        await asyncio.gather(*first)
        assert await calls.ask() == 4

    run(test)
