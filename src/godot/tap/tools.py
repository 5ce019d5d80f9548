"""Whether a listed tool can be called as it is listed, and if not, why.

A server that breaks a rule of the protocol in `tools/list` is listed by many clients all the same,
and its tools fail only when somebody calls them. What was seen counts: a tool that answered can be
called, by this client at least.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from godot.tap.capture import Capture, Exchange
from godot.tap.protocol import tool_breaches

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")


class Tool(msgspec.Struct):
    """A tool as it was listed, or only called.

    `problems` are the rules that it breaks and names it is called by; `doubts` keep only some
    clients from calling it. Of the `calls` some failed, some got no answer, some were given up.
    """

    name: str
    listed: object  # the object in tools/list; None for a tool that was only called
    problems: list[str]
    doubts: list[str] = []
    calls: int = 0
    failures: list[str] = []
    unanswered: int = 0
    given_up: int = 0
    durations_ms: list[float] = []

    @property
    def answered(self) -> int:
        """How many calls were answered as they should be."""
        return self.calls - len(self.failures) - self.unanswered - self.given_up

    @property
    def callable(self) -> bool:
        """Say whether it was called well, or nothing speaks against it."""
        return self.answered > 0 or not (self.problems or self.failures or self.unanswered)

    @property
    def verdict(self) -> str:
        """Return one line: callable as listed, or why not."""
        if self.problems:
            found = "; ".join(self.problems)
            return (
                f"{'answers here, but: ' if self.answered else 'not callable as listed: '}{found}"
            )
        if self.answered or not self.calls:
            found = "callable as listed" if self.listed is not None else "callable"
            notes = [*self.doubts, *([] if self.calls else ["not called here"])]
            return "; ".join((found, *notes))
        if self.failures:
            return f"listed as it should be, but no call went well: {self.failures[-1]}"
        if self.unanswered:
            return "listed as it should be, but no call was answered"
        return "listed as it should be; every call was given up before it was answered"


def tools_of(capture: Capture) -> list[Tool]:
    """Return every tool that was listed or called, with its verdict."""
    found: dict[str, Tool] = {}
    for item, version in _listed(capture):
        name = item.get("name") if isinstance(item, Mapping) else None
        tool = Tool(
            name if isinstance(name, str) else "(no name)", item, [*problems(item, version)]
        )
        if isinstance(name, str) and not _NAME.fullmatch(name):
            tool.doubts.append("its name has other characters than A-Z a-z 0-9 _ - .")
        if tool.name in found:
            tool.problems.append("another tool is listed by the same name")
        found[tool.name] = tool
    for exchange in capture.exchanges:
        if exchange.request.method == "tools/call":
            name = exchange.request.tool or "(no name)"
            _called(found.setdefault(name, Tool(name, None, [])), exchange)
    names = [tool.name for tool in found.values() if tool.listed is not None]
    for tool in found.values():
        if names and tool.listed is None and not capture.unkept("tools/list"):
            _not_listed(tool, names, found)
    return list(found.values())


def listed(capture: Capture) -> list[object]:
    """Return the tool objects of the newest tools/list, all its pages."""
    return [item for item, _ in _listed(capture)]


def _listed(capture: Capture) -> Iterator[tuple[object, str | None]]:
    for answer in capture.last_results("tools/list"):
        tools = answer.result.get("tools")
        for item in tools if isinstance(tools, list) else []:
            yield item, answer.version


def problems(tool: object, version: str | None) -> Iterator[str]:
    """Yield the rules of the protocol that a tool object breaks, each with its place."""
    if not isinstance(tool, Mapping):
        yield "it is no object"
        return
    for breach in tool_breaches(tool, version):
        meant = [key for key in tool if _folded(str(key)) in ("inputschema", "parameters")]
        if breach.path == "inputSchema" and breach.rule == "required" and meant:
            yield f"{breach.text}; {meant[0]} is no name for it"
        else:
            yield breach.text


def _called(tool: Tool, exchange: Exchange) -> None:
    tool.calls += 1
    answer = exchange.answer
    if exchange.given_up or answer is None:  # some servers answer what was cancelled by an error
        tool.given_up += exchange.given_up
        tool.unanswered += exchange.unanswered
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
    if not found[meant].calls:
        found[meant].problems.append(
            f"it is called as {tool.name}: the name is rewritten on the way"
        )


def _meant(called: str, names: Iterable[str]) -> str | None:
    """Return the listed name that has the same letters, or whose letters end or begin it."""
    wanted = _folded(called)
    if not wanted:
        return None
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
