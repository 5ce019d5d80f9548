"""The report on tapped servers: as a document for programs, as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from godot.tap.capture import Capture, Exchange, Message
from godot.tap.difference import Difference, differences
from godot.tap.tools import Tool, listed, tools_of

_NAMED = 5  # how many of a kind are named in lines; documents name all


def server_document(capture: Capture) -> dict[str, object]:
    """Return what one server was asked and said."""
    initialized = capture.last_results("initialize") or capture.last_results("server/discover")
    return {
        "component": capture.component,
        "runs": capture.runs,
        "messages": len(capture.messages),
        "initialize": dict(initialized[-1]) if initialized else None,
        "methods": [_method(*each) for each in _by_method(capture).items()],
        "tools": [_tool(tool) for tool in tools_of(capture)],
        "notifications": dict(
            Counter(m.method for m in capture.messages if m.kind == "notification")
        ),
        "unanswered": [_named(exchange.request) for exchange in _unanswered(capture)],
        "cancelled": [_named(each.request) for each in capture.exchanges if each.cancelled],
        "stray_answers": [_named(message) for message in capture.stray],
        "no_json_rpc": [_named(message) for message in capture.unreadable],
        "stderr": capture.stderr,
    }


def between(first: Capture, second: Capture) -> dict[str, list[Difference]]:
    """Return how the answers to `initialize` and `tools/list` differ in shape."""
    found = {}
    for method in ("initialize", "server/discover"):
        a, b = first.last_results(method), second.last_results(method)
        if a and b:
            found[method] = differences(a[-1], b[-1])
    found["tools/list"] = differences({"tools": listed(first)}, {"tools": listed(second)})
    return found


def all_callable(document: Mapping[str, object]) -> bool:
    """Say whether nothing in a server's document speaks against calling its tools."""
    tools = document["tools"]
    return isinstance(tools, list) and all(tool["callable"] for tool in tools)


def server_lines(capture: Capture) -> Iterator[str]:
    """Yield the report of one server, line by line; text of strangers is not escaped here."""
    runs = f"{capture.runs} run{'s' * (capture.runs != 1)}"
    yield f"{capture.component}: {len(capture.messages)} messages in {runs}"
    for result in capture.last_results("initialize")[-1:]:
        info = result.get("serverInfo")
        info = info if isinstance(info, Mapping) else {}
        yield (
            f"  initialize: protocol {result.get('protocolVersion')}, server {info.get('name')} "
            f"{info.get('version')}"
        )
    for (direction, method), exchanges in _by_method(capture).items():
        yield f"  {_method_line(direction, method, exchanges)}"
    yield from _named_lines("never answered", [each.request for each in _unanswered(capture)])
    yield from _named_lines("cancelled", [e.request for e in capture.exchanges if e.cancelled])
    yield from _named_lines("answer to nothing", capture.stray)
    yield from _named_lines("no JSON-RPC", capture.unreadable)
    if capture.stderr:
        counts = ", ".join(f"{count} {level}" for level, count in capture.stderr.items())
        yield f"  stderr: {counts}"
    for tool in tools_of(capture):
        yield f"  tool {tool.name}: {tool.verdict}"


def between_lines(names: Sequence[str], found: Mapping[str, Sequence[Difference]]) -> Iterator[str]:
    """Yield the differences as lines."""
    for method, places in found.items():
        yield f"{method}: {len(places)} difference{'s' * (len(places) != 1)} in shape"
        for place in places:
            yield f"  {place.path}: {names[0]} {place.first}, {names[1]} {place.second}"


def _by_method(capture: Capture) -> dict[tuple[str, str], list[Exchange]]:
    found: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in capture.exchanges:
        request = exchange.request
        found.setdefault((request.direction, request.method or ""), []).append(exchange)
    return found


def _unanswered(capture: Capture) -> list[Exchange]:
    return [each for each in capture.exchanges if each.answer is None and not each.cancelled]


def _method(key: tuple[str, str], exchanges: Sequence[Exchange]) -> dict[str, object]:
    answers = [each.answer for each in exchanges if each.answer]
    took_ms = [answer.duration_ms for answer in answers if answer.duration_ms is not None]
    return {
        "direction": key[0],
        "method": key[1],
        "requests": len(exchanges),
        "errors": sum(answer.failure is not None for answer in answers),
        "unanswered": sum(each.answer is None and not each.cancelled for each in exchanges),
        "cancelled": sum(each.cancelled for each in exchanges),
        "progress": sum(each.progress for each in exchanges),
        "median_ms": median(took_ms) if took_ms else None,
        "max_ms": max(took_ms, default=None),
    }


def _method_line(direction: str, method: str, exchanges: Sequence[Exchange]) -> str:
    told = _method((direction, method), exchanges)
    text = f"{method}: {told['requests']} sent" + " by the server" * (direction == "to_client")
    for name in ("errors", "unanswered", "cancelled", "progress"):
        text += f", {told[name]} {name}" if told[name] else ""
    if told["median_ms"] is not None:
        text += f", median {told['median_ms']} ms, longest {told['max_ms']} ms"
    return text


def _tool(tool: Tool) -> dict[str, object]:
    return {
        "name": tool.name,
        "listed": tool.listed,
        "callable": tool.callable,
        "verdict": tool.verdict,
        "calls": tool.calls,
        "failures": tool.failures,
        "unanswered": tool.unanswered,
        "median_ms": median(tool.durations_ms) if tool.durations_ms else None,
    }


def _named(message: Message) -> dict[str, object]:
    return {
        "at": message.at,
        "direction": message.direction,
        "method": message.method,
        "id": message.id,
        "tool": message.tool,
        "trace_id": message.trace_id,
    }


def _named_lines(title: str, messages: Sequence[Message]) -> Iterator[str]:
    for message in messages[:_NAMED]:
        what = " ".join(str(part) for part in (message.method, message.tool) if part)
        trace = f", trace {message.trace_id}" if message.trace_id else ""
        yield f"  {title}: {what or message.direction} id {message.id!r}{trace}"
    if len(messages) > _NAMED:
        yield f"  {title}: {len(messages) - _NAMED} more"
