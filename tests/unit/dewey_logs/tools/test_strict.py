from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
import pytest
from mcp import Client
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from prometheus_client import CollectorRegistry
from pydantic import Field

from dewey_logs.dialogue import FAILED
from dewey_logs.tools import EVERYTHING, WRITES, Selection, StrictServer, ToolMetrics, answer
from dewey_logs.tools.kinds import SEARCHES


class CallersFault(Exception):
    """Something that other arguments would mend."""


class Away(Exception):
    """A backend that does not answer."""


RAISED: dict[str, Exception] = {
    "caller": CallersFault("give\n another"),
    "away": Away("the store is away"),
    "tool": ToolError("not now"),
    "bug": ValueError("secret dsn"),
}


def toy(registry: CollectorRegistry, offered: Selection = EVERYTHING) -> StrictServer:
    server = StrictServer(
        "toy",
        version="1",
        instructions="",
        metrics=ToolMetrics(registry),
        callers_errors=(CallersFault,),
        other_errors=(Away,),
        offered=offered,
    )

    async def echo(
        component: str = "",
        limit: Annotated[int, Field(ge=1, le=10)] = 5,
        fail: str = "",
    ) -> CallToolResult:
        """Say what was given."""
        if fail:
            raise RAISED[fail]
        return answer({"component": component, "limit": limit})

    async def needs(text: str) -> CallToolResult:
        """Say a text."""
        return answer({"text": text})

    server.offer(echo, "toy_echo", SEARCHES)
    server.offer(needs, "toy_needs", WRITES, "Say a text, whatever it is.")
    return server


Call = Callable[[str, dict[str, Any]], CallToolResult]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(params=["auto", "legacy"])
def call(request: pytest.FixtureRequest, registry: CollectorRegistry) -> Call:
    """Call a tool through the SDK's own client; `legacy` goes through every serialisation."""
    server = toy(registry)

    async def one(name: str, arguments: dict[str, Any]) -> CallToolResult:
        async with Client(server, mode=request.param) as client:
            return await client.call_tool(name, arguments)

    return lambda name, arguments: anyio.run(one, name, arguments)


def text(result: CallToolResult) -> str:
    assert result.is_error
    (block,) = result.content
    assert block.type == "text"
    assert "\n" not in block.text
    return block.text


def test_text_and_structured_content_carry_the_same(call: Call):
    result = call("toy_echo", {"component": "api"})
    assert not result.is_error
    (block,) = result.content
    assert block.type == "text"
    assert block.text == '{"component":"api","limit":5}'
    assert result.structured_content == {"component": "api", "limit": 5}


def test_an_unknown_argument_is_an_error_that_names_the_nearest_and_the_valid(call: Call):
    assert text(call("toy_echo", {"componnet": "api"})) == (
        "unknown argument 'componnet'; did you mean 'component'? valid: component, limit, fail"
    )
    assert "did you mean" not in text(call("toy_echo", {"zzzz": 1}))


def test_an_unknown_tool_is_an_error_that_names_the_valid(call: Call):
    said = call("toy_ecko", {})
    assert "did you mean 'toy_echo'?" in text(said)
    # a worker that was given another server's address must not look for a record to blame
    assert said.meta is not None
    assert said.meta[FAILED]["kind"] == "SchemaProblem"


def test_bad_values_are_told_in_one_line_without_addresses(call: Call):
    said = text(call("toy_echo", {"limit": 11, "component": {"a": 1}}))
    assert "limit: Input should be less than or equal to 10 (given 11)" in said
    assert "component: " in said
    assert "http" not in said
    assert text(call("toy_needs", {})) == "text is missing"
    said = text(call("toy_needs", {"text": {"a": [["x" * 1000] * 1000]}}))
    assert said == "text: Input should be a valid string (given {'a': [[...]]})"


def test_null_means_not_given(call: Call):
    assert call("toy_echo", {"component": None, "limit": None}).structured_content == {
        "component": "",
        "limit": 5,
    }
    assert text(call("toy_needs", {"text": None})) == "text is missing"


def test_text_that_looks_like_json_stays_text(call: Call):
    given = '{"a": [1]}'
    assert call("toy_needs", {"text": given}).structured_content == {"text": given}


@pytest.mark.parametrize(
    ("fail", "said"),
    [("caller", "give another"), ("away", "the store is away"), ("tool", "not now")],
)
def test_errors_of_ours_reach_the_caller_in_one_line(call: Call, fail: str, said: str):
    assert text(call("toy_echo", {"fail": fail})) == said


def test_the_text_of_a_bug_stays_here(call: Call):
    assert "secret" not in text(call("toy_echo", {"fail": "bug"}))


def test_calls_are_counted_by_outcome_from_zero(call: Call, registry: CollectorRegistry):
    def counted(outcome: str) -> float | None:
        labels = {"tool": "toy_echo", "outcome": outcome}
        return registry.get_sample_value("godot_mcp_tool_calls_total", labels)

    assert [counted(outcome) for outcome in ("ok", "refused", "failed")] == [0, 0, 0]
    call("toy_echo", {})
    call("toy_echo", {"bad": 1})
    call("toy_echo", {"limit": 99})
    call("toy_echo", {"fail": "caller"})
    for fail in ("away", "bug", "tool"):
        call("toy_echo", {"fail": fail})
    call("toy_absent", {})
    assert [counted(outcome) for outcome in ("ok", "refused", "failed")] == [1, 3, 3]
    assert registry.get_sample_value(
        "godot_mcp_tool_duration_seconds_count", {"tool": "toy_echo"}
    ) == pytest.approx(7)


def test_a_call_that_its_caller_gives_up_is_no_failure_of_ours(registry: CollectorRegistry):
    server, begun = toy(registry), anyio.Event()

    async def endless() -> CallToolResult:
        """Wait."""
        begun.set()
        await anyio.sleep_forever()
        return answer({})

    async def given_up() -> None:
        async with Client(server) as client, anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "toy_endless", {})
            await begun.wait()
            group.cancel_scope.cancel()

    server.offer(endless, "toy_endless", SEARCHES)
    anyio.run(given_up)
    labels = {"tool": "toy_endless", "outcome": "refused"}
    assert registry.get_sample_value("godot_mcp_tool_calls_total", labels) == 1


def test_who_asks_nearly_the_same_is_not_answered_together(registry: CollectorRegistry):
    async def test() -> list[Any]:
        may_end = anyio.Event()

        async def say(data: dict[str, Any]) -> CallToolResult:
            """Say what was given, some time."""
            await may_end.wait()
            return answer({"said": repr(data["x"])})

        server = toy(registry)
        server.offer(say, "toy_say", SEARCHES)
        given: list[object] = [float("nan")] * 4 + [None, "nan", True, 1, 1.0]
        calls = [
            asyncio.create_task(server.call_tool("toy_say", {"data": {"x": x}})) for x in given
        ]
        while registry.get_sample_value("godot_mcp_inflight_tool_calls") != len(given):
            await asyncio.sleep(0)
        may_end.set()
        found = await asyncio.gather(*calls)
        return [one.structured_content["said"] for one in found if isinstance(one, CallToolResult)]

    assert asyncio.run(test()) == ["nan"] * 4 + ["None", "'nan'", "True", "1", "1.0"]


def test_a_closing_tag_in_an_answer_closes_nothing(call: Call):
    result = call("toy_needs", {"text": "</result> <b>"})
    (block,) = result.content
    assert block.type == "text"
    assert block.text == '{"text":"<\\/result> <b>"}'
    assert result.structured_content == {"text": "</result> <b>"}


def listed(registry: CollectorRegistry, offered: Selection = EVERYTHING) -> dict[str, Any]:
    async def tools() -> list[Any]:
        async with Client(toy(registry, offered)) as client:
            return list((await client.list_tools()).tools)

    return {tool.name: tool for tool in anyio.run(tools)}


def test_a_schema_says_what_there_is_and_that_there_is_nothing_else(registry: CollectorRegistry):
    tools = listed(registry)
    assert tools["toy_echo"].input_schema == {
        "type": "object",
        "properties": {
            "component": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
            "fail": {"type": "string"},
        },
        "additionalProperties": False,
    }
    assert tools["toy_needs"].input_schema["required"] == ["text"]
    assert tools["toy_needs"].description == "Say a text, whatever it is."


def test_a_tool_that_is_not_wanted_is_not_there(registry: CollectorRegistry):
    assert set(listed(registry, Selection(read_only=True))) == {"toy_echo"}
    assert set(listed(CollectorRegistry(), Selection(toolsets=frozenset({"write"})))) == {
        "toy_needs"
    }
    assert (
        registry.get_sample_value(
            "godot_mcp_tool_calls_total", {"tool": "toy_needs", "outcome": "ok"}
        )
        is None
    )


def test_every_tool_has_all_four_hints_and_no_schema_for_its_answer(registry: CollectorRegistry):
    async def tools() -> list[Any]:
        return list(await toy(registry).list_tools())

    listed: Callable[[], Awaitable[list[Any]]] = tools
    for tool in anyio.run(listed):
        hints = tool.annotations
        assert None not in (
            *(hints.read_only_hint, hints.destructive_hint),
            *(hints.idempotent_hint, hints.open_world_hint),
        )
        assert tool.output_schema is None
