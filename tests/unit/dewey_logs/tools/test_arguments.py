from __future__ import annotations

import inspect

import anyio
import pytest
from mcp.types import CallToolResult

from dewey_logs import BadFilter, LogFilter
from dewey_logs.tools import answer
from dewey_logs.tools.arguments import FILTER, PAGING, PARTS, filter_of, filtered


async def tool(wanted: LogFilter, least: int, most: int = 5) -> CallToolResult:
    return answer({"component": wanted.component, "since": wanted.since, "most": most + least})


def test_the_parts_are_those_of_a_filter():
    assert set(PARTS) - {"filter"} == set(LogFilter.__struct_fields__) - {"where"}
    assert set(FILTER) | set(PAGING) == set(PARTS)


def test_a_tool_takes_the_parts_instead_of_the_filter():
    made = filtered(tool, ("since", "component"))
    assert list(inspect.signature(made).parameters) == ["since", "component", "least", "most"]

    async def call():
        return await made(since="1h", component=["a", ""], least=1, most=2)

    assert anyio.run(call).structured_content == {"component": ("a",), "since": "1h", "most": 3}


def test_what_is_empty_is_not_asked_for():
    assert filter_of(since="", component="", data=None, filter="") == LogFilter()
    assert filter_of(component="api", filter="since:1h") == LogFilter(
        component=("api",), since="1h"
    )


def test_a_part_that_a_tool_does_not_take_is_refused_in_the_text_as_well():
    made = filtered(tool, ("component", "filter"))

    async def call():
        return await made(component="a", filter="since:1h", least=1)

    with pytest.raises(BadFilter, match="since makes no sense here: the tool takes component"):
        anyio.run(call)
