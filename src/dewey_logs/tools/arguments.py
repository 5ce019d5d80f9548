"""The arguments that tools share: those of a filter, under the names of LogFilter.

A tool that filters takes a LogFilter and says nothing of its parts; what callers give are the
parts. So they cannot come to differ from tool to tool.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.errors import BadFilter
from dewey_logs.filters import MAX_LIMIT, LogFilter
from dewey_logs.filtertext import narrowed
from dewey_logs.tools.paging import MAX_ANSWER_BYTES
from dewey_logs.tools.strict import ToolFunction
from dewey_logs.tools.table import MAX_MESSAGE_CHARS

# fail_fast: a list of a million numbers is one problem, not a million that are all written down
Texts = Annotated[list[str], Field(fail_fast=True)]
Component = Annotated[str | Texts, Field(description="name, api.* or a list")]
Data = Annotated[dict[str, Any] | None, Field(description='part of data, as {"order": 8812}')]
PARTS: dict[str, tuple[Any, object]] = {
    "since": (Annotated[str, Field(description="-15m, 2h, today, or RFC 3339")], ""),
    "until": (Annotated[str, Field(description="like since")], ""),
    "component": (Component, ""),
    "level": (Annotated[str, Field(description="minimum: TRACE DEBUG INFO WARN ERROR")], ""),
    "trace_id": (Annotated[str, Field(description="whole, or a UUID's first 8+ digits")], ""),
    "search": (Annotated[str, Field(description='words (AND), "a phrase", -not, OR')], ""),
    "contains": (Annotated[str, Field(description="substring of the message, any case")], ""),
    "regex": (Annotated[str, Field(description="PostgreSQL regex over the message")], ""),
    "data": (Data, None),
    "filter": (
        Annotated[
            str, Field(description='more terms as text: data.order>8000 data.user.id!=7 "a phrase"')
        ],
        "",
    ),
    "limit": (Annotated[int, Field(ge=1, le=MAX_LIMIT, description="rows")], 20),
    "cursor": (Annotated[str, Field(description="next_cursor of the page before")], ""),
    "order": (
        Annotated[Literal["desc", "asc"], Field(description="desc: newest first")],
        "desc",
    ),
}
PAGING = ("limit", "cursor", "order")
FILTER = tuple(name for name in PARTS if name not in PAGING)
_NOTHING = LogFilter()
_FIELDS = frozenset(PARTS) - {"filter"}

Fields = Annotated[Texts, Field(description="also show: age, data, data.PATH")]
MessageChars = Annotated[
    int, Field(ge=20, le=MAX_MESSAGE_CHARS, description="of each message and value")
]
MaxBytes = Annotated[int, Field(ge=1_000, le=MAX_ANSWER_BYTES, description="of the answer")]


def filtered(run: ToolFunction, parts: Sequence[str] = FILTER) -> ToolFunction:
    """Return a tool that takes the parts of a filter for `wanted`, the first argument of `run`."""

    async def tool(**given: Any) -> CallToolResult:
        wanted = filter_of(**{name: given.pop(name) for name in parts})
        for name in _FIELDS.difference(parts):  # what the filter's text says would go unheeded
            if getattr(wanted, name) != getattr(_NOTHING, name):
                raise BadFilter(f"{name} makes no sense here: the tool takes {', '.join(parts)}")
        return await run(wanted, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, keyword, default=PARTS[name][1], annotation=PARTS[name][0])
        for name in parts
    ]
    _, *own = inspect.signature(run, eval_str=True).parameters.values()
    tool.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # the SDK reads it
        [*shared, *(parameter.replace(kind=keyword) for parameter in own)]
    )
    return tool


def filter_of(*, filter: str = "", component: str | Sequence[str] = (), **parts: Any) -> LogFilter:
    """Return the filter that arguments mean; raises BadFilter."""
    names = [component] if isinstance(component, str) else component
    given = {name: value for name, value in parts.items() if value not in ("", None)}
    wanted = LogFilter(component=tuple(name for name in names if name), **given)
    return narrowed(filter, wanted)
