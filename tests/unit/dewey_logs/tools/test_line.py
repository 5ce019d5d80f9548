from __future__ import annotations

import anyio
import pytest
from starlette.types import Message

from dewey_logs import QueryTimeout
from dewey_logs.tools.line import Line, listening


def test_a_caller_who_has_hung_up_is_asked_for_no_more():
    asked: list[str] = []

    async def question(line: Line) -> None:
        with line.asking():
            await anyio.sleep(0)
            asked.append("after")

    async def ask() -> None:
        line = Line()
        line.hang_up()
        for _ in range(2):
            with pytest.raises(QueryTimeout, match="hung up"):
                await question(line)
        await line.hung_up()

    anyio.run(ask)
    assert asked == []


def test_a_question_that_is_answered_ends_with_no_hanging_up():
    async def ask() -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async with listening(receive) as line:
            with line.asking():
                pass
            await line.hung_up()

    anyio.run(ask)
