"""The report on tapped servers, as documents for programs; `report_text.py` says it to people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

from godot.tap.capture import Capture, Exchange, Message
from godot.tap.difference import Difference, differences
from godot.tap.protocol import breaches
from godot.tap.tools import Tool, listed, tools_of

HANDSHAKES = ("initialize", "server/discover")
_NUMBER = re.compile(r"\[\d+\]")

Document = dict[str, object]


class Broken(msgspec.Struct):
    """A rule that messages of one kind break at one place, and the first message that does."""

    version: str
    direction: str
    kind: str
    method: str | None
    path: str  # in the first of them
    rule: str
    says: str
    count: int
    id: object
    trace_id: str | None


def server_document(capture: Capture) -> Document:
    """Return what one server was asked and said."""
    broken, unchecked = _checked(capture)
    said = [message for message in capture.messages if message.kind == "notification"]
    return {
        "component": capture.component,
        "runs": capture.runs,
        "messages": len(capture.messages),
        "unrecorded_bytes": capture.lost_bytes,
        "handshake": _handshake(capture),
        "methods": [_method(*each) for each in _by_method(capture).items()],
        "tools": [_tool(tool) for tool in tools_of(capture)],
        "lists_not_kept": capture.unkept("tools/list"),
        "notifications": [
            {"direction": direction, "method": method, "count": count}
            for (direction, method), count in Counter((m.direction, m.method) for m in said).items()
        ],
        "progress": [_progress(each) for each in capture.exchanges if each.progress],
        "given_up": [_given_up(each) for each in capture.exchanges if each.given_up],
        "unanswered": [
            {**_named(each.request), "status": each.status}
            for each in capture.exchanges
            if each.unanswered
        ],
        "stray": [_named(message) for message in capture.stray],
        "no_json_rpc": [_named(message) for message in capture.unreadable],
        "protocol": {
            "versions": sorted({m.version for m in capture.messages if m.version}),
            "checked": len(capture.messages) - unchecked,
            "unchecked": unchecked,
            "broken": [msgspec.structs.asdict(each) for each in broken],
        },
        "stderr": capture.stderr,
    }


def between(first: Capture, second: Capture) -> dict[str, list[Difference]]:
    """Return how what both answered to a handshake and to `tools/list` differs in shape."""
    found = {}
    for method in (*HANDSHAKES, "tools/list"):
        a, b = first.last_results(method), second.last_results(method)
        if not (a and b):
            continue
        if method == "tools/list":
            found[method] = differences({"tools": listed(first)}, {"tools": listed(second)})
        else:
            found[method] = differences(a[-1].result, b[-1].result)
    return found


def is_sound(document: Mapping[str, object]) -> bool:
    """Say whether nothing in a server's document speaks against it: its tools, its messages."""
    tools, protocol = document["tools"], document["protocol"]
    assert isinstance(tools, list)
    assert isinstance(protocol, dict)
    return all(tool["callable"] for tool in tools) and not protocol["broken"]


def _handshake(capture: Capture) -> Document | None:
    for method in HANDSHAKES:
        if answers := capture.last_results(method):
            return {**answers[-1].result, "method": method}
    return None


def _checked(capture: Capture) -> tuple[list[Broken], int]:
    """Return the broken rules, and how many messages could not be checked."""
    found: dict[tuple[object, ...], Broken] = {}
    unchecked = 0
    for message in capture.messages:
        broken = breaches(message)
        if broken is None:
            unchecked += 1
            continue
        for each in broken:
            about = (message.version, message.direction, message.kind, message.method)
            place = _NUMBER.sub("[]", each.path)
            known = found.get((*about, place, each.rule, each.says))
            if known is not None:
                known.count += 1
                continue
            found[*about, place, each.rule, each.says] = Broken(
                message.version or "",
                *about[1:],
                path=each.path,
                rule=each.rule,
                says=each.says,
                count=1,
                id=message.id,
                trace_id=message.trace_id,
            )
    return list(found.values()), unchecked


def _by_method(capture: Capture) -> dict[tuple[str, str], list[Exchange]]:
    found: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in capture.exchanges:
        request = exchange.request
        found.setdefault((request.direction, request.method or ""), []).append(exchange)
    return found


def _method(key: tuple[str, str], exchanges: Sequence[Exchange]) -> Document:
    answers = [each.answer for each in exchanges if each.answer]
    return {
        "direction": key[0],
        "method": key[1],
        "requests": len(exchanges),
        "errors": sum(answer.failure is not None for answer in answers),
        "unanswered": sum(each.unanswered for each in exchanges),
        "given_up": sum(each.given_up for each in exchanges),
        "progress": sum(len(each.progress) for each in exchanges),
        **_took(answers),
    }


def _took(answers: Iterable[Message]) -> Document:
    took_ms = [answer.duration_ms for answer in answers if answer.duration_ms is not None]
    return {
        "median_ms": _median(took_ms),
        "max_ms": max(took_ms, default=None),
    }


def _median(took_ms: Sequence[float]) -> float | None:
    return round(median(took_ms), 3) if took_ms else None


def _tool(tool: Tool) -> Document:
    return {
        "name": tool.name,
        "listed": tool.listed,
        "callable": tool.callable,
        "verdict": tool.verdict,
        "calls": tool.calls,
        "failures": tool.failures,
        "unanswered": tool.unanswered,
        "given_up": tool.given_up,
        "median_ms": _median(tool.durations_ms),
    }


def _progress(exchange: Exchange) -> Document:
    last, answer = exchange.progress[-1].params, exchange.answer
    return {
        **_named(exchange.request),
        "notifications": len(exchange.progress),
        "progress": last.get("progress"),
        "total": last.get("total"),
        "answered_ms": None if answer is None else answer.duration_ms,
    }


def _given_up(exchange: Exchange) -> Document:
    """Return a request that the client cancelled, or whose stream it closed."""
    said, answer = exchange.cancelled, exchange.answer
    return {
        **_named(exchange.request),
        "how": "closed its stream" if said is None else "notifications/cancelled",
        "reason": None if said is None else said.params.get("reason"),
        "progress": len(exchange.progress),
        "answered_ms": None if answer is None else answer.duration_ms,
    }


def _named(message: Message) -> Document:
    return {
        "at": message.at,
        "direction": message.direction,
        "kind": message.kind,
        "method": message.method,
        "id": message.id,
        "tool": message.tool,
        "trace_id": message.trace_id,
    }
