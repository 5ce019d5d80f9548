"""What the report makes of captured messages: verdicts, differences, what was never answered."""

from __future__ import annotations

from typing import Any

import pytest

from dewey_logs import LogRecordView
from godot.tap import report, report_text
from godot.tap.capture import Capture, captures
from godot.tap.difference import differences
from godot.tap.tools import problems, tools_of

RIGHT = {"name": "read", "inputSchema": {"type": "object", "properties": {"path": {}}}}
VERSION = "2025-11-25"


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


def asked(method: str, params: Any = None, **more: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    told = {"kind": "request", "method": method, "id": 1, "message": message, "version": VERSION}
    return {**told, **more}


def called(tool: str, **more: Any) -> dict[str, Any]:
    return asked("tools/call", {"name": tool}, tool=tool, **more)


def answered(of: int, result: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "result": result}
    about = {"kind": "response", "direction": "to_client", "of": of, "duration_ms": 2.0}
    return {**about, "message": message, **more}


def notified(method: str, params: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return {"kind": "notification", "method": method, "message": message, **more}


def listing(*tools: dict[str, Any]) -> list[dict[str, Any]]:
    return [asked("tools/list"), answered(0, {"tools": [*tools]}, method="tools/list")]


def lines(capture: Capture) -> str:
    return "\n".join(report_text.server_lines(report.server_document(capture)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"name": 7}, "name is a number: it has to be a string"),
        ({"inputSchema": 1}, "inputSchema is a number: it has to be an object"),
        ({"inputSchema": {}}, 'inputSchema.type is missing: it has to be "object"'),
        (
            {"inputSchema": {"type": "array"}},
            'inputSchema.type is "array": it has to be "object"',
        ),
        ({"inputSchema": "[REDACTED]"}, None),
        ({"inputSchema": {"type": "object", "properties": {"token": "[REDACTED]"}}}, None),
        (
            {"inputSchema": {"type": "object", "properties": {"n": "int"}}},
            "inputSchema.properties.n is a string: it has to be an object",
        ),
        (
            {"inputSchema": {"type": "object", "properties": {"n": {"minimum": "1"}}}},
            "inputSchema.properties.n.minimum is a string: it has to be a number",
        ),
        ({"inputSchema": {"type": "object", "required": ["n"]}}, None),
        ({"outputSchema": {}}, 'outputSchema.type is missing: it has to be "object"'),
        ({"outputSchema": None}, "outputSchema is null: it has to be an object"),
    ],
)
def test_the_rule_that_a_tool_breaks_is_named(change: dict[str, Any], problem: str | None):
    assert list(problems({**RIGHT, **change}, VERSION)) == ([problem] if problem else [])


def test_what_a_tool_may_be_depends_on_the_version():
    tool = {**RIGHT, "outputSchema": {"items": {}}}
    assert list(problems(tool, "2025-06-18"))
    assert not list(problems(tool, "2026-07-28"))


def test_what_was_seen_counts_more_than_what_is_listed():
    failed = answered(2, {"isError": True, "content": [{"type": "text", "text": "no disk"}]})
    well = answered(2, {"content": []})
    wrong = {"name": "read", "input_schema": {"type": "object"}}
    missing = "inputSchema is missing; input_schema is no name for it"
    cancelled = notified("notifications/cancelled", {"requestId": 1}, of=2)
    for tool, after, callable_, verdict in (
        (RIGHT, [well], True, "callable as listed"),
        (RIGHT, [failed], False, "listed as it should be, but no call went well: no disk"),
        (RIGHT, [], False, "listed as it should be, but no call was answered"),
        (
            *(RIGHT, [cancelled, failed], True),
            "listed as it should be; every call was given up before it was answered",
        ),
        (wrong, [failed], False, f"not callable as listed: {missing}"),
        (wrong, [well], True, f"answers here, but: {missing}"),
    ):
        [found] = tools_of(captured(*listing(tool), called("read"), *after))
        assert (found.callable, found.verdict) == (callable_, verdict)


def test_a_name_that_some_clients_refuse_is_a_doubt():
    [tool] = tools_of(captured(*listing({**RIGHT, "name": "läs"})))
    assert tool.callable
    assert "its name has other characters" in tool.verdict


def test_a_name_that_is_listed_twice_is_a_problem():
    [tool] = tools_of(captured(*listing(RIGHT, RIGHT)))
    assert tool.verdict.endswith("another tool is listed by the same name")


def test_a_tool_that_was_called_under_a_prefix_is_named_by_both():
    found = tools_of(captured(*listing(RIGHT), called("files__read")))
    assert [tool.verdict for tool in found] == [
        "not callable as listed: it is called as files__read: the name is rewritten on the way",
        "not callable as listed: it is listed as read: the name is rewritten on the way",
    ]
    well = answered(2, {"content": []})
    read, other = tools_of(captured(*listing(RIGHT), called("read"), well, called("re")))
    assert (read.callable, other.callable) == (True, False)


def test_the_newest_list_counts_with_all_its_pages():
    def page(n: int, *tools: str, **params: str) -> list[dict[str, Any]]:
        found = [{**RIGHT, "name": name} for name in tools]
        return [asked("tools/list", params), answered(n, {"tools": found})]

    first = page(0, "gone", "old")
    capture = captured(*first, *page(2, "one"), *page(4, "two", cursor="x"))
    assert [tool.name for tool in tools_of(capture)] == ["one", "two"]


def test_a_large_list_is_put_together_again_and_one_that_is_not_kept_accuses_nobody():
    wrong = {"name": "write", "input_schema": {}}
    parts = [{"kind": "part", "part_of": 1, "part": {"tools": [tool]}} for tool in (RIGHT, wrong)]
    inner = answered(0, {"nextCursor": "c"}, parts=2)
    capture = captured(asked("tools/list"), inner, *parts, called("unheard"))
    assert [(tool.name, len(tool.problems)) for tool in tools_of(capture)] == [
        *(("read", 0), ("write", 1), ("unheard", 1)),
    ]
    assert capture.last_results("tools/list")[0].result["nextCursor"] == "c"
    assert len(capture.messages) == 3
    beginning = answered(4, {}, head='{"jsonrpc"')
    del beginning["message"]
    for more in (
        (*parts, asked("tools/list", {"cursor": "c"}), beginning),
        (parts[0],),  # the other one is not stored
    ):
        capture = captured(asked("tools/list"), inner, *more, called("unheard"))
        assert "too large to be kept" in lines(capture)
        assert not tools_of(capture)[-1].problems


def test_requests_answers_and_notifications_are_accounted_for():
    def progress(n: int) -> dict[str, Any]:
        params = {"progressToken": 1, "progress": n, "total": 5}
        return notified("notifications/progress", params, of=0, direction="to_client")

    capture = captured(
        called("slow"),
        *(progress(1), progress(2)),
        notified("notifications/cancelled", {"requestId": 1, "reason": "too slow"}, of=0),
        asked("ping", id=2),
        {"kind": "error", "id": 9, "unasked": True, "message": {"error": {"code": 1}}},
        {"kind": "not JSON-RPC", "message": "hello"},
        notified("notifications/progress", {"progressToken": 8, "progress": 1}, unasked=True),
        answered(-5, {}, id=7),
        called("left", id=4),
        {"direction": "http", "open": [9], "answered": {"left": True}},
        called("denied", id=5),
        {"direction": "http", "open": [11], "answered": {"status": 401}},
        {"lost": "to_client", "bytes": 7_000_000, "direction": None},
    )
    document: Any = report.server_document(capture)
    assert [(each["method"], each["status"]) for each in document["unanswered"]] == [
        ("ping", None),
        ("tools/call", 401),
    ]
    assert [(each["tool"], each["how"], each["reason"]) for each in document["given_up"]] == [
        ("slow", "notifications/cancelled", "too slow"),
        ("left", "closed its stream", None),
    ]
    # the answer to a request from before the time asked for is no stray
    assert [each["method"] or each["id"] for each in document["stray"]] == [
        9,
        "notifications/progress",
    ]
    assert len(document["no_json_rpc"]) == 1
    slow, ping = document["methods"]
    assert (slow["progress"], slow["unanswered"], ping["unanswered"]) == (2, 1, 1)
    told = lines(capture)
    for line in (
        "never answered: ping id 2, from the client",
        "never answered: tools/call denied id 5, from the client, HTTP status 401",
        "progress: tools/call slow id 1, from the client: 2 notifications, last 2 of 5, not",
        "slow id 1, from the client: notifications/cancelled (too slow) after 2 progress, not",
        "left id 4, from the client: closed its stream, not answered",
        "belongs to nothing: error id 9, from the client",
        "notifications/progress: 2 by the server, a notification",
        "7,000,000 bytes passed unrecorded",
    ):
        assert line in told


def test_the_report_names_the_broken_rule_once_with_its_version():
    wrong = {"name": "read", "inputSchema": {}}
    capture = captured(*listing(wrong, wrong, {**RIGHT, "description": None}))
    document: Any = report.server_document(capture)
    assert not report.is_sound(document)
    assert [(b["path"], b["count"]) for b in document["protocol"]["broken"]] == [
        ("result.tools[0].inputSchema.type", 2),
        ("result.tools[2].description", 1),
    ]
    told = lines(capture)
    assert (
        "breaks 2025-11-25: response tools/list id None of the server:"
        ' result.tools[0].inputSchema.type is missing: it has to be "object", 2 times'
    ) in told
    assert "description is null: it has to be a string" in told
    sound = captured(*listing(RIGHT))
    assert report.is_sound(report.server_document(sound))
    assert "protocol 2025-11-25: 2 messages checked, no rule broken" in lines(sound)


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
