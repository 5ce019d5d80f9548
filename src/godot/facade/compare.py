"""What has changed between two windows of time, or how two MCP servers differ: `logger_compare`.

The second is about what `godot tap` recorded: the report of `godot tap-report`, cut to what speaks
against a server, and the places where what two of them say of themselves has not the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs import BadFilter, LogFilter, Store
from dewey_logs.tools import (
    ANSWER_BYTES,
    COMPARE_ABOUT,
    COUNTS,
    FILTER,
    MESSAGE_CHARS,
    UNTRUSTED,
    Ask,
    Back,
    MinRatio,
    Names,
    Payload,
    StrictServer,
    answer,
    columns_of,
    cut,
    filtered,
    fitting,
    windows_compared,
)

ABOUT = """\
With servers it compares MCP servers behind `godot tap` instead: which of their tools cannot be
called, which messages break the protocol, and where two of them differ in structure.
"""
DEFAULT_SINCE = "1h"
LISTS = ("differences", "tools", "broken")
Servers = Annotated[
    list[str],
    Field(
        max_length=2,
        fail_fast=True,
        description="one or two tapped MCP servers, by component; since, until",
    ),
]


def offer_compare(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that says what changed, or what differs."""
    windows = windows_compared(names, ask)

    async def compare(
        wanted: LogFilter,
        back: Back = "",
        min_ratio: MinRatio = 1.5,
        servers: Servers = [],  # noqa: B006  # never changed, and shown in the schema
    ) -> CallToolResult:
        if not servers:
            return await windows(wanted, back, min_ratio)
        since = wanted.since or DEFAULT_SINCE
        plain = LogFilter(since=wanted.since, until=wanted.until, limit=wanted.limit)
        if wanted != plain or len(set(servers)) < len(servers):
            raise BadFilter("servers are one or two names, with since, until and limit alone")
        found = await ask(lambda store: _found(store, servers, since, wanted.until))
        return answer(await _told(found, servers, since, wanted.limit))

    tool = filtered(compare, (*FILTER, "limit"))
    server.offer(tool, names.compare, COUNTS, COMPARE_ABOUT.format(**names._asdict()) + ABOUT)


def _found(
    store: Store, servers: Sequence[str], since: str, until: str | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the documents of the servers, and the places where two of them differ."""
    from godot.tap import report  # the protocol's schemas take half a second to load
    from godot.tap.capture import captures
    from godot.tap.stored import recorded

    known = {each.component: each for each in captures(recorded(store, servers, since, until))}
    documents = {name: report.server_document(known[name]) for name in servers if name in known}
    if len(documents) < 2:
        return documents, []
    one, two = servers
    differing = [
        {"answer": method, "path": place.path, f"in {one}": place.first, f"in {two}": place.second}
        for method, places in report.between(known[one], known[two]).items()
        for place in places
    ]
    return documents, differing


async def _told(
    found: tuple[dict[str, Any], list[dict[str, Any]]],
    servers: Sequence[str],
    since: str,
    limit: int,
) -> Payload:
    documents, differing = found
    lists = {
        "differences": differing,
        "tools": [
            {"server": name, "tool": tool["name"], "verdict": tool["verdict"]}
            for name, document in documents.items()
            for tool in document["tools"]
            if not tool["callable"]
        ],
        "broken": [
            {
                "server": name,
                **{part: each[part] for part in ("version", "kind", "method", "path", "says")},
                "n": each["count"],
            }
            for name, document in documents.items()
            for each in document["protocol"]["broken"]
        ],
    }

    async def build(rows: int, chars: int) -> Payload:
        shown = {name: lists[name][: min(rows, limit)] for name in LISTS}
        return {
            "untrusted": UNTRUSTED,
            "since": since,
            "servers": {name: _summary(each, chars) for name, each in documents.items()},
            **{
                name: {"count": len(lists[name]), **columns_of([_cut(row, chars) for row in each])}
                for name, each in shown.items()
            },
            "returned": sum(map(len, shown.values())),
            "truncated": any(len(shown[name]) < len(lists[name]) for name in LISTS),
            "next_cursor": None,
            **_hints(servers, documents, since),
        }

    longest = min(limit, max(map(len, lists.values())))
    return await fitting(build, longest, MESSAGE_CHARS, ANSWER_BYTES)


def _summary(document: Mapping[str, Any], chars: int) -> Payload:
    handshake = document["handshake"] or {}
    said = {name: str(handshake.get(name)) for name in ("method", "protocolVersion", "serverInfo")}
    return {
        "messages": document["messages"],
        "runs": document["runs"],
        "handshake": _cut({name: said[name] for name in said if handshake.get(name)}, chars),
        "tools": len(document["tools"]),
        "callable": sum(tool["callable"] for tool in document["tools"]),
        **{name: len(document[name]) for name in ("unanswered", "given_up", "stray")},
    }


def _cut(row: Mapping[str, Any], chars: int) -> dict[str, Any]:
    return {
        cut(key, chars): cut(value, chars) if isinstance(value, str) else value
        for key, value in row.items()
    }


def _hints(servers: Sequence[str], documents: Mapping[str, Any], since: str) -> Payload:
    missing = [cut(name, MESSAGE_CHARS) for name in servers if name not in documents]
    if not missing:
        return {}
    return {
        "hints": [
            f"nothing was recorded of {name} since {since}: is it started behind `godot tap --as"
            f" {name}`?"
            for name in missing
        ]
    }
