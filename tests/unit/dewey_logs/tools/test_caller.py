from __future__ import annotations

import logging

import anyio
import anyio.to_thread
import pytest
from mcp.types import ToolAnnotations

from dewey_logs.dialogue import ADMIN, READ, WRITE
from dewey_logs.tools.caller import (
    LOCAL,
    Caller,
    caller,
    calls_trace_id,
    needed_scope,
    serving,
    tag_log_lines,
)

TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"


@pytest.mark.parametrize(
    ("read_only", "destructive", "idempotent", "scope"),
    [
        (True, False, True, READ),
        (False, False, False, WRITE),
        (False, False, True, ADMIN),  # sets something
        (False, True, True, ADMIN),
        (None, None, None, ADMIN),  # nobody said
    ],
)
def test_a_tool_needs_the_scope_of_what_it_does(read_only, destructive, idempotent, scope):
    hints = ToolAnnotations(
        read_only_hint=read_only, destructive_hint=destructive, idempotent_hint=idempotent
    )
    assert needed_scope(hints) == scope


@pytest.mark.parametrize(
    ("headers", "trace_id"),
    [
        ({}, None),
        ({"traceparent": f"00-{TRACE.replace('-', '')}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{TRACE.replace('-', '')}-b7ad6b7169203331-01-more"}, None),
        ({"traceparent": f"01-{TRACE.replace('-', '')}-b7ad6b7169203331-01-more"}, TRACE),
        ({"x-trace-id": TRACE.upper().replace("-", "")}, TRACE),
        ({"x-trace-id": " order-17 "}, "order-17"),
        ({"x-trace-id": "x" * 129}, None),
        ({"x-trace-id": "a\x1b[2J"}, None),
    ],
)
def test_the_trace_of_the_headers_is_the_calls(headers, trace_id):
    with serving(LOCAL, headers):
        assert calls_trace_id() == trace_id
    assert calls_trace_id() is None


def test_what_is_logged_while_a_call_is_served_names_trace_and_caller():
    lines: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record)

    kept, log = Kept(), logging.getLogger("test.caller")
    logging.getLogger().addHandler(kept)
    try:
        tag_log_lines()

        async def call(name: str) -> None:
            with serving(Caller(name, frozenset()), {"x-trace-id": f"trace-{name}"}):
                await anyio.to_thread.run_sync(log.warning, name)  # as a store's thread does
                assert caller().name == name

        async def both() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(call, "a")
                group.start_soon(call, "b")

        anyio.run(both)
        log.warning("outside")
    finally:
        logging.getLogger().removeHandler(kept)
    told = {
        line.getMessage(): (vars(line).get("trace_id"), vars(line).get("caller")) for line in lines
    }
    assert told == {
        "a": ("trace-a", "a"),
        "b": ("trace-b", "b"),
        "outside": (None, None),
    }
