from __future__ import annotations

import threading

import anyio

from dewey_logs.tools import Turns
from dewey_logs.tools.caller import LOCAL, Caller, serving

GREEDY, MODEST = Caller("greedy", frozenset({"logs:read"})), Caller("modest", frozenset())


def test_one_tokens_questions_leave_others_their_turn():
    async def asked_beside(by: Caller, callers: int) -> int:
        """Return how many of a caller's questions are asked when nothing is answered."""
        turns, go_on = Turns(8), threading.Event()
        begun: list[int] = []

        async def one(who: Caller, question: object) -> None:
            with serving(who, {}):
                await turns.ask(question)  # type: ignore[arg-type]  # it answers nothing

        def slow() -> None:
            begun.append(1)
            go_on.wait(60)

        async with anyio.create_task_group() as group:
            for _ in range(callers):
                group.start_soon(one, by, slow)
            if by is GREEDY:
                await one(MODEST, lambda: None)  # is answered meanwhile
            else:
                while len(begun) < 8:
                    await anyio.sleep(0.01)
            most = len(begun)
            go_on.set()
        return most

    assert anyio.run(asked_beside, GREEDY, 20) <= 3
    assert anyio.run(asked_beside, LOCAL, 20) == 8
