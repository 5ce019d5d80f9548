"""`logger_compare` of MCP servers that were tapped: what an agent is told of them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from dewey_logs import Batch, LogRow, Source, open_store
from godot.settings import Settings
from tests.integration.facade.conftest import Call

RIGHT = {"name": "open_gate", "inputSchema": {"type": "object"}}
WRONG = {"name": "query_logs", "input_schema": {"type": "object"}}


def recorded(component: str, n: int, **data: Any) -> LogRow:
    whole = {"tap": {"run": "r", "n": n}, "version": "2025-06-18", **data}
    return LogRow(
        id=uuid.uuid4().bytes,
        created_at_us=time.time_ns() // 1_000 - 60_000_000 + n,
        component=component,
        level="TRACE",
        message="",
        trace_id=None,
        data=json.dumps(whole).encode(),
        producer=None,
        sequence=None,
        source=Source("1-0", ()),
    )


def exchange(component: str, *tools: dict[str, Any]) -> list[LogRow]:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}
    about = {"method": "tools/list", "id": 1}
    to_client = {"direction": "to_client", "kind": "response", "of": 1, "duration_ms": 1.5}
    return [
        recorded(component, 1, direction="to_server", kind="request", message=asked, **about),
        recorded(component, 2, message=answer, **to_client, **about),
    ]


@pytest.fixture
def tapped(settings: Settings) -> None:
    assert settings.dewey_url is not None
    rows = (*exchange("gates", RIGHT), *exchange("dewey", WRONG))
    with open_store(settings.dewey_url) as store:
        store.write(Batch(stream="s", rows=rows))


@pytest.mark.usefixtures("tapped")
def test_two_tapped_servers_are_compared_in_structure(call: Call):
    told = call("logger_compare", servers=["gates", "dewey"]).structured_content
    assert told is not None
    assert told["servers"]["gates"]["callable"] == 1
    assert (told["servers"]["dewey"]["tools"], told["servers"]["dewey"]["callable"]) == (1, 0)
    differences = told["differences"]
    assert differences["columns"] == ["path", "in gates", "in dewey"]
    assert differences["rows"] == [
        ["tools[].inputSchema", "always object", "never"],
        ["tools[].input_schema", "never", "always object"],
    ]
    verdict = "not callable as listed: inputSchema is missing; input_schema is no name for it"
    assert told["tools"]["rows"] == [["dewey", "query_logs", verdict]]
    [broken] = told["broken"]["rows"]
    assert "result.tools[0].inputSchema" in broken
    assert not told["truncated"]
    shorter = call("logger_compare", servers=["gates", "dewey"], limit=1).structured_content
    assert shorter is not None
    assert (len(shorter["differences"]["rows"]), shorter["truncated"]) == (1, True)


@pytest.mark.usefixtures("tapped")
def test_one_server_is_judged_and_one_that_nobody_tapped_is_named(call: Call):
    told = call("logger_compare", servers=["dewey", "moria"]).structured_content
    assert told is not None
    assert told["differences"]["rows"] == []
    assert "nothing was recorded of moria since 1h" in told["hints"][0]
    alone = call("logger_compare", servers=["gates"]).structured_content
    assert alone is not None
    assert (alone["tools"]["count"], alone["broken"]["count"]) == (0, 0)


def test_what_makes_no_sense_with_servers_is_refused(call: Call):
    for given in ({"level": "ERROR"}, {"servers": ["gates", "gates"]}):
        found = call("logger_compare", **{"servers": ["gates"], **given})
        assert found.is_error
        said = found.content[0].text  # type: ignore[union-attr]  # tools answer in text alone
        assert "servers are one or two names" in said
