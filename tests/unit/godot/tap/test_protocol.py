"""Messages against the schema of their version: what is right passes, what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from godot.tap.capture import Message
from godot.tap.protocol import breaches

INFO = {"name": "x", "version": "1"}
HANDSHAKE = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": INFO}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": INFO,
}
TEXT = {"type": "text", "text": "x"}
AUDIO = {"type": "audio", "data": "", "mimeType": "audio/wav"}
OLD, NEW = "2025-06-18", "2026-07-28"


def broken(kind: str, method: str, body: dict[str, Any], version: str | None = OLD, **more: Any):
    direction = "to_client" if kind in ("response", "error") else "to_server"
    about = {"direction": direction, "kind": kind, "method": method, "version": version}
    message = Message("", None, "r", 1, **{**about, **more}, body={"jsonrpc": "2.0", **body})
    found = breaches(message)
    return None if found is None else [breach.text for breach in found]


def asked(method: str, params: object = None, **more: Any):
    return broken("request", method, {"id": 1, "method": method, "params": params or {}}, **more)


def answered(method: str, result: object, **more: Any):
    return broken("response", method, {"id": 1, "result": result}, **more)


def notified(method: str, params: object, **more: Any):
    return broken("notification", method, {"method": method, "params": params}, **more)


def test_what_is_right_breaks_nothing():
    progress = {"progressToken": "[REDACTED]", "progress": 0.5}
    for found in (
        asked("tools/list"),
        asked("tools/call", {"name": "t", "arguments": {"a": None}, "_meta": {"progressToken": 1}}),
        asked("tools/list", {"_meta": META}, version=NEW),
        asked("tasks/list"),  # of an extension
        answered("initialize", HANDSHAKE),
        answered("tools/call", {"content": [TEXT, AUDIO], "structuredContent": {"a": None}}),
        answered("resources/list", {"resources": [{"uri": "file:///x", "name": "x"}], "more": 1}),
        answered("roots/list", {"roots": []}, direction="to_server"),
        answered("roots/list", {"roots": ["[TOO DEEP]"]}, direction="to_server"),
        asked(
            "elicitation/create",
            {"message": "m", "requestedSchema": {"type": "object", "properties": {}}},
            direction="to_client",
        ),
        notified("notifications/progress", progress, direction="to_client"),
        notified("notifications/cancelled", {"requestId": 7, "reason": "late"}),
        broken("error", "tools/call", {"id": None, "error": {"code": -1, "message": "m"}}),
    ):
        assert found == []


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (asked("tools/call", {"arguments": {}}), "params.name is missing"),
        (
            asked("tools/call", {"name": "t", "arguments": []}),
            "params.arguments is an array: it has to be an object",
        ),
        (
            answered("initialize", {**HANDSHAKE, "serverInfo": {"name": "x"}}),
            "result.serverInfo.version is missing",
        ),
        (answered("tools/call", {}), "result.content is missing"),
        (
            answered("tools/call", {"content": [TEXT, {"type": "text"}]}),
            "result.content[1].text is missing",
        ),
        (
            answered("tools/call", {"content": [TEXT], "isError": "no"}),
            "result.isError is a string: it has to be a boolean",
        ),
        (
            answered("tools/call", {"content": [{"type": "foto"}]}),
            'result.content[0] is of a kind that cannot stand there, type "foto"',
        ),
        (
            answered("tools/call", {"content": [{**TEXT, "annotations": {"audience": ["all"]}}]}),
            'result.content[0].annotations.audience[0] is "all":'
            ' it has to be one of "assistant", "user"',
        ),
        (
            answered("tools/list", {"tools": [], "nextCursor": None}),
            "result.nextCursor is null: it has to be a string",
        ),
        (
            answered("tools/call", {"content": [AUDIO]}, version="2024-11-05"),
            'result.content[0].type is "audio", which exists since 2025-03-26',
        ),
        (
            asked("elicitation/create", direction="to_client", version="2025-03-26"),
            "method elicitation/create does not exist in 2025-03-26 in this direction",
        ),
        (asked("ping", version=NEW), "method ping does not exist in 2026-07-28 in this direction"),
        (asked("tools/list", version=NEW), "params._meta is missing"),
        (
            notified("notifications/progress", {"progress": "half", "progressToken": 1}),
            "params.progress is a string: it has to be a number",
        ),
        (
            broken("error", "ping", {"id": 1, "error": {"code": "E1", "message": "m"}}),
            "error.code is a string: it has to be an integer",
        ),
        (
            broken("response", "ping", {"id": 1, "result": {}, "jsonrpc": "1.0"}),
            'jsonrpc is "1.0": it has to be "2.0"',
        ),
        (
            broken("request", "x/y", {"id": 1.5, "method": "x/y"}),
            "id is a number: it has to be a string or an integer",
        ),
        (asked("ping", reused=True), "id is that of an earlier request that is not answered yet"),
        (asked("ping", batch=True), "message is one of several, which 2025-06-18 does not allow"),
    ],
)
def test_the_broken_rule_is_named(found: list[str], rule: str):
    assert found == [rule]


def test_a_batch_is_right_in_the_version_that_has_them():
    assert asked("ping", batch=True, version="2025-03-26") == []


def test_what_cannot_be_checked_is_not_called_right():
    assert asked("ping", version=None) is None
    assert asked("ping", version="2031-01-01") is None
    head = Message("", None, "r", 1, "to_client", "response", version=OLD, body='{"jsonrpc"')
    assert breaches(head) is None
    assert broken("not JSON-RPC", "", {}) is None
