"""What programs of ours use and agents do not: a worker's batches, and the store's own questions.

Errors say in the result's `_meta` what they are, because a worker has to know an outage from a
refusal; the text is for people, as everywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent
from pydantic import Field

from dewey_logs.dialogue import ASK, DELIVER, QUESTIONS, failure_of
from dewey_logs.errors import DeweyError, SchemaProblem, Unclassified
from dewey_logs.levels import LevelChange
from dewey_logs.rows import Batch, LogRow, WriteResult
from dewey_logs.tools.answer import failed
from dewey_logs.tools.caller import MAX_TRACE_CHARS, caller
from dewey_logs.tools.kinds import FOR_PROGRAMS
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.texts import cut, visible

ASKED_BY_CHARS = 400
_encode = msgspec.json.Encoder().encode

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


def offer_ask(server: StrictServer, ask: Ask) -> None:
    """Add the tool that answers the store's questions, unlisted."""

    async def answer_question(
        question: Annotated[str, Field(description="a method of the store")],
        arguments: Annotated[dict[str, Any] | None, Field(description="its arguments")] = None,
    ) -> CallToolResult:
        """Answer a question of a program of ours, whole; agents have better tools."""
        found = QUESTIONS.get(question)
        if found is None:
            raise ToolError(f"there is no question {question[:64]!r}")
        try:
            _require(*found.scopes)
            given = msgspec.convert(arguments or {}, found.arguments, str_keys=True)
            named = {name: getattr(given, name) for name in given.__struct_fields__}
            said = await ask(question, _signed(named))
        except msgspec.ValidationError as exc:
            raise ToolError(f"{question}: {exc}") from None
        except DeweyError as exc:
            return failed(failure_of(exc))
        return _text(_encode(said if found.pack is None else found.pack(said)).decode())

    server.offer(answer_question, ASK, FOR_PROGRAMS, scopes=(), listed=False)


async def deliver(
    logs: Sequence[Any],
    delivery: Mapping[str, Any],
    write: Callable[[Batch], Awaitable[WriteResult]],
) -> CallToolResult:
    """Store a worker's batch: `logs` are its rows, `delivery` is all else of it."""
    try:
        _require(DELIVER)
        rows = msgspec.convert(logs, tuple[LogRow, ...])
        batch = msgspec.structs.replace(msgspec.convert(delivery, Batch), rows=rows)
        result = await write(batch)
    except msgspec.ValidationError as exc:
        return failed(failure_of(Unclassified(None, f"the delivery cannot be read: {exc}")))
    except DeweyError as exc:
        return failed(failure_of(exc))
    return _text(_encode(_without_fields(result)).decode())


def _signed(named: dict[str, Any]) -> dict[str, Any]:
    """Return arguments in which who asks is not only who says so, and can be kept in the log.

    Text that no record can hold would make the log's own record of a change a dead letter.
    """
    by = "" if caller().scopes is None else f" by the token of {caller().name}"
    if "asked_by" in named:
        return {**named, "asked_by": cut(named["asked_by"], ASKED_BY_CHARS) + by}
    if "change" in named:
        change = named["change"]
        trace_id = change.trace_id and visible(change.trace_id)[:MAX_TRACE_CHARS]
        asked_by = cut(change.asked_by, ASKED_BY_CHARS) + by
        return {**named, "change": LevelChange(asked_by, trace_id)}
    return named


def _require(*scopes: str) -> None:
    if not any(caller().may(scope) for scope in scopes):
        raise SchemaProblem(f"the token of {caller().name} lacks the scope {' or '.join(scopes)}")


def _without_fields(result: WriteResult) -> WriteResult:
    """Leave out of rejects what the worker sent: it has them."""
    if not result.rejects:
        return result
    bare = [
        msgspec.structs.replace(reject, source=msgspec.structs.replace(reject.source, raw=()))
        for reject in result.rejects
    ]
    return msgspec.structs.replace(result, rejects=tuple(bare))


def _text(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])
