"""What a tool call answers: the same compact JSON as text and as structured content.

Some hosts show a model only the one, some only the other, so neither may carry more. The SDK's own
text is indented JSON, five times as long as what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from mcp.types import CallToolResult, TextContent

from dewey_logs.dialogue import FAILED, Failure

JSON = msgspec.json.Encoder()


def answer(payload: Mapping[str, Any]) -> CallToolResult:
    """Return a successful result.

    In the text a closing tag is written `<\\/`, which is the same string in JSON: whatever tags a
    host puts around an answer, text out of the log cannot end them.
    """
    return CallToolResult(
        content=[TextContent(type="text", text=written(payload))],
        structured_content=dict(payload),
    )


def written(payload: Mapping[str, Any]) -> str:
    """Return a payload as the text of an answer."""
    return JSON.encode(payload).decode().replace("</", "<\\/")


def failed(failure: Failure) -> CallToolResult:
    """Return an error that also says in `_meta` what it is, for programs; see dialogue.py."""
    return CallToolResult(
        content=[TextContent(type="text", text=one_line(failure.text))],
        is_error=True,
        _meta={FAILED: msgspec.to_builtins(failure)},
    )


def one_line(text: str, max_chars: int = 500) -> str:
    """Return an error text as a model should read it: one line, not endless."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"
