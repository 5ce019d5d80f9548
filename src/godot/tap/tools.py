"""Whether a listed tool can be called as it is listed, and if not, why.

The rules are those of the protocol's Tool: `name`, and `inputSchema`, a JSON schema whose `type` is
"object". A server that breaks one is listed by many clients all the same, and its tools fail only
when somebody calls them. What redaction masked is taken to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from godot.tap.capture import Capture, Exchange

MASK = "[REDACTED]"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")


class Tool(msgspec.Struct):
    """A tool as it was listed, or only called; `problems` are the rules that it breaks."""

    name: str
    listed: bool
    problems: list[str]
    calls: int = 0
    failures: list[str] = []
    unanswered: int = 0
    durations_ms: list[float] = []

    @property
    def callable(self) -> bool:
        """Say whether nothing speaks against it: no broken rule, no call of it that all failed."""
        return not self.problems and (not self.calls or len(self.failures) < self.calls)

    @property
    def verdict(self) -> str:
        """Return one line: callable as listed, or why not."""
        if self.problems:
            return "not callable as listed: " + "; ".join(self.problems)
        if not self.calls:
            return "callable as listed; not called here"
        if len(self.failures) == self.calls:
            return f"listed as it should be, but every call failed: {self.failures[-1]}"
        return "callable as listed"


def tools_of(capture: Capture) -> list[Tool]:
    """Return every tool that was listed or called, with its verdict."""
    found: dict[str, Tool] = {}
    for item in listed(capture):
        name = item.get("name") if isinstance(item, Mapping) else None
        tool = Tool(name if isinstance(name, str) else "(no name)", True, list(problems(item)))
        found[tool.name] = tool
    names = [tool.name for tool in found.values()]
    for exchange in capture.exchanges:
        if exchange.request.method == "tools/call":
            name = exchange.request.tool or "(no name)"
            tool = found.setdefault(name, Tool(name, False, []))
            _called(tool, exchange)
    if names:
        for tool in found.values():
            if not tool.listed:
                _not_listed(tool, names, found)
    return list(found.values())


def listed(capture: Capture) -> list[object]:
    """Return the tool objects of the newest tools/list, all its pages."""
    found: list[object] = []
    for result in capture.last_results("tools/list"):
        tools = result.get("tools")
        found += tools if isinstance(tools, list) else []
    return found


def problems(tool: object) -> Iterator[str]:
    """Yield the rules of the protocol that a tool object breaks, each with its place."""
    if not isinstance(tool, Mapping):
        yield "it is no object"
        return
    name = tool.get("name")
    if not isinstance(name, str):
        yield "name is missing" if name is None else "name is no text"
    elif not _NAME.fullmatch(name):
        yield f"name {name!r} has other characters than A-Z a-z 0-9 _ - ."
    if "inputSchema" in tool:
        yield from _schema_problems("inputSchema", tool["inputSchema"])
    else:
        meant = [key for key in tool if _folded(str(key)) in ("inputschema", "parameters")]
        instead = f"; {meant[0]} is no name for it" if meant else ""
        yield f"inputSchema is missing{instead}"
    if tool.get("outputSchema") is not None:
        yield from _schema_problems("outputSchema", tool["outputSchema"])


def _schema_problems(place: str, schema: object) -> Iterator[str]:
    if schema == MASK:
        return
    if not isinstance(schema, Mapping):
        yield f"{place} is no object"
        return
    if "type" not in schema:
        yield f'{place}.type is missing: it has to be "object"'
    elif schema["type"] != "object":
        yield f'{place}.type is {schema["type"]!r}: it has to be "object"'
    properties = schema.get("properties", {})
    if properties == MASK:
        return
    if not isinstance(properties, Mapping):
        yield f"{place}.properties is no object"
        return
    for name, item in properties.items():
        if not isinstance(item, Mapping | bool) and item != MASK:
            yield f"{place}.properties.{name} is no schema"
    required = schema.get("required", [])
    if not isinstance(required, list):
        yield f"{place}.required is no list"
        return
    for name in required:
        if name not in properties:
            yield f"{place}.required names {name!r}, which {place}.properties lacks"


def _called(tool: Tool, exchange: Exchange) -> None:
    tool.calls += 1
    answer = exchange.answer
    if answer is None:
        tool.unanswered += 1
        return
    if answer.duration_ms is not None:
        tool.durations_ms.append(answer.duration_ms)
    if failure := answer.failure:
        tool.failures.append(failure)


def _not_listed(tool: Tool, names: Iterable[str], found: Mapping[str, Tool]) -> None:
    """Say of a name that was called but is not listed what it may have been made of."""
    meant = _meant(tool.name, names)
    if meant is None:
        tool.problems.append("it was called, but is not listed")
        return
    tool.problems.append(f"it is listed as {meant}: the name is rewritten on the way")
    found[meant].problems.append(f"it is called as {tool.name}: the name is rewritten on the way")


def _meant(called: str, names: Iterable[str]) -> str | None:
    """Return the listed name that has the same letters, or whose letters end or begin it."""
    wanted = _folded(called)
    for name in names:
        if _folded(name) == wanted:
            return name
    for name in sorted(names, key=len, reverse=True):
        folded = _folded(name)
        if folded and (
            wanted.endswith(folded) or wanted.startswith(folded) or folded.endswith(wanted)
        ):
            return name
    return None


def _folded(name: str) -> str:
    return _NOT_LETTERS.sub("", name.lower())
