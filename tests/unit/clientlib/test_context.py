from __future__ import annotations

import asyncio
import contextvars
import threading

from clientlib import bind, current_trace_id, trace_context
from clientlib.context import current


def fields() -> dict[str, object]:
    context = current.get()
    return dict(context.bound.fields) if context and context.bound else {}


def test_nothing_is_in_force_outside():
    assert current_trace_id() is None
    assert fields() == {}


def test_scopes_nest_and_come_back():
    with trace_context("a"), bind(x=1):
        with bind(x=2, y=3), trace_context("b"):
            assert (current_trace_id(), fields()) == ("b", {"x": 2, "y": 3})
        assert (current_trace_id(), fields()) == ("a", {"x": 1})
        with trace_context(None):
            assert current_trace_id() is None
            assert fields() == {"x": 1}
    assert current_trace_id() is None


def test_an_exception_leaves_nothing_behind():
    try:
        with trace_context("a"):
            raise KeyError
    except KeyError:
        assert current_trace_id() is None


def test_each_task_and_thread_has_its_own():
    async def task(name: str) -> str | None:
        with trace_context(name):
            await asyncio.sleep(0)
            return current_trace_id()

    async def both() -> list[str | None]:
        return list(await asyncio.gather(task("a"), task("b")))

    found: list[str | None] = []
    with trace_context("main"):
        assert asyncio.run(both()) == ["a", "b"]
        thread = threading.Thread(target=lambda: found.append(current_trace_id()))
        thread.start()
        thread.join()
    assert found == [None]


def test_leaving_in_another_context_than_entered_is_no_error():
    scope = trace_context("a")
    contextvars.copy_context().run(scope.__enter__)
    scope.__exit__()
    assert current_trace_id() is None
