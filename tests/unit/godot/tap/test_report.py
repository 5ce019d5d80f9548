"""What the report makes of captured messages: verdicts, differences, what was never answered."""

from __future__ import annotations

from typing import Any

import pytest

from dewey_logs import LogRecordView
from godot.tap import report
from godot.tap.capture import Capture, captures
from godot.tap.difference import differences
from godot.tap.tools import problems, tools_of

RIGHT = {"name": "read", "inputSchema": {"type": "object", "properties": {"path": {}}}}


def captured(*messages: dict[str, Any]) -> Capture:
    """Return the capture of messages given by their data, numbered as they stand."""
    records = [
        LogRecordView(
            id=str(n),
            created_at=f"2026-01-01T00:00:{n:02}Z",
            component="srv",
            level="TRACE",
            message="",
            data={"tap": {"run": "r", "n": n}, "direction": "to_server", **data},
        )
        for n, data in enumerate(messages)
    ]
    [capture] = captures(reversed(records))
    return capture


def asked(method: str, **more: Any) -> dict[str, Any]:
    return {"kind": "request", "method": method, "id": 1, **more}


def answered(of: int, result: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"result": result}
    return {"kind": "response", "of": of, "duration_ms": 2.0, "message": message, **more}


def listing(*tools: dict[str, Any]) -> list[dict[str, Any]]:
    return [asked("tools/list"), answered(0, {"tools": [*tools]})]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"name": 7}, "name is no text"),
        ({"name": "läs"}, "name 'läs' has other characters than A-Z a-z 0-9 _ - ."),
        ({"inputSchema": 1}, "inputSchema is no object"),
        ({"inputSchema": {}}, 'inputSchema.type is missing: it has to be "object"'),
        (
            {"inputSchema": {"type": "array"}},
            "inputSchema.type is 'array': it has to be \"object\"",
        ),
        ({"inputSchema": "[REDACTED]"}, None),
        ({"inputSchema": {"type": "object", "properties": {"token": "[REDACTED]"}}}, None),
        (
            {"inputSchema": {"type": "object", "properties": {"n": "int"}}},
            "inputSchema.properties.n is no schema",
        ),
        (
            {"inputSchema": {"type": "object", "required": ["n"]}},
            "inputSchema.required names 'n', which inputSchema.properties lacks",
        ),
        ({"outputSchema": {}}, 'outputSchema.type is missing: it has to be "object"'),
    ],
)
def test_the_broken_rule_is_named(change: dict[str, Any], problem: str | None):
    assert list(problems({**RIGHT, **change})) == ([problem] if problem else [])


def test_a_tool_whose_calls_all_fail_is_not_callable():
    failed = answered(2, {"isError": True, "content": [{"type": "text", "text": "no disk"}]})
    [tool] = tools_of(captured(*listing(RIGHT), asked("tools/call", tool="read"), failed))
    assert not tool.callable
    assert tool.verdict.endswith("every call failed: no disk")


def test_a_tool_that_was_called_under_a_prefix_is_named_by_both():
    found = tools_of(captured(*listing(RIGHT), asked("tools/call", tool="files__read")))
    assert [tool.verdict for tool in found] == [
        "not callable as listed: it is called as files__read: the name is rewritten on the way",
        "not callable as listed: it is listed as read: the name is rewritten on the way",
    ]


def test_requests_answers_and_notifications_are_accounted_for():
    capture = captured(
        asked("tools/call", tool="slow"),
        {"kind": "notification", "method": "notifications/progress", "of": 0},
        {"kind": "notification", "method": "notifications/cancelled", "of": 0},
        asked("ping", id=2),
        {"kind": "error", "id": 9, "unasked": True, "message": {"error": {"code": 1}}},
        {"kind": "not JSON-RPC", "message": "hello"},
    )
    document: Any = report.server_document(capture)
    assert [each["method"] for each in document["unanswered"]] == ["ping"]
    assert [each["tool"] for each in document["cancelled"]] == ["slow"]
    assert [each["id"] for each in document["stray_answers"]] == [9]
    assert len(document["no_json_rpc"]) == 1
    slow, ping = document["methods"]
    assert (slow["progress"], slow["unanswered"], ping["unanswered"]) == (1, 0, 1)


def test_shapes_differ_by_place_and_not_by_value_or_name():
    a = {"tools": [{"name": "x", "inputSchema": {"type": "object", "properties": {"p": {}}}}]}
    b = {"tools": [{"name": "y", "input_schema": {"type": "object"}}, {"name": 1, "title": "t"}]}
    assert [(d.path, d.first, d.second) for d in differences(a, b)] == [
        ("tools[].inputSchema", "always object", "never"),
        ("tools[].input_schema", "never", "1 of 2 object"),
        ("tools[].name", "always string", "always number or string"),
        ("tools[].title", "never", "1 of 2 string"),
    ]
    assert not differences({"tools": []}, a)
    assert not differences({"properties": {"a": {}}}, {"properties": {"b": {}}})
