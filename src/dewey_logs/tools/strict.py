"""An MCP server that is hard to misuse, whatever its tools do.

The SDK ignores arguments it does not know, so that a misspelt filter answers everything; it shows a
model pydantic's error text over several lines with addresses in it; and it treats null as a value.
Here an unknown argument is an error that names the nearest valid one, every error is one line that
says what to change, and null means not given.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import reprlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio
from mcp import MCPError
from mcp.server import MCPServer, Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ToolError, UnexpectedToolError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    Tool,
)
from pydantic import AnyUrl, ValidationError
from starlette.requests import Request

from dewey_logs.dialogue import READ, failure_of
from dewey_logs.errors import SchemaProblem
from dewey_logs.tools.answer import failed, one_line
from dewey_logs.tools.caller import (
    CALLER_KEY,
    LINE_KEY,
    LOCAL,
    Caller,
    caller,
    needed_scope,
    serving,
)
from dewey_logs.tools.calls import calling
from dewey_logs.tools.kinds import EVERYTHING, Kind, Selection
from dewey_logs.tools.line import Line
from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.shared import Shared

ToolFunction = Callable[..., Awaitable[CallToolResult]]

_SHORT = reprlib.Repr()  # of a value of megabytes the beginning is looked at, no more
_SHORT.maxlevel, _SHORT.maxstring = 2, 80


class StrictServer(MCPServer[Any]):
    """MCPServer with strict arguments, one-line errors and metrics.

    `callers_errors` are the exceptions that a caller can mend by other arguments, `other_errors`
    those that he cannot (a backend that is away): the text of both reaches him. The text of any
    other exception stays here. Overrides `call_tool`, through which every call goes.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str,
        instructions: str,
        metrics: ToolMetrics,
        callers_errors: tuple[type[Exception], ...],
        other_errors: tuple[type[Exception], ...],
        offered: Selection = EVERYTHING,
    ) -> None:
        # what is offered never changes, so there is nothing to subscribe to
        super().__init__(name, version=version, instructions=instructions, subscriptions=False)
        self._offered = offered
        self.metrics = metrics
        self._callers_errors = callers_errors
        self._other_errors = other_errors
        self._valid: dict[str, tuple[str, ...]] = {}
        self._scopes: dict[str, tuple[str, ...]] = {}
        self._unlisted: set[str] = set()
        self._in_hand = 0
        self._shared: Shared[CallToolResult] = Shared()

    @property
    def lowlevel(self) -> Server[Any]:
        """The SDK's server beneath, which `serve_one` asks for."""
        return self._lowlevel_server

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions whose text may reach a caller."""
        return (*self._callers_errors, *self._other_errors)

    def offers(self, kind: Kind) -> bool:
        """Say whether tools of a kind are wanted here."""
        return self._offered.has(kind)

    def offer(
        self,
        run: ToolFunction,
        name: str,
        kind: Kind,
        about: str | None = None,
        *,
        scopes: tuple[str, ...] | None = None,
        listed: bool = True,
        waits: bool = False,
    ) -> None:
        """Add a tool if its kind is wanted; `about`, or its docstring, is what it is chosen by.

        A token needs one of `scopes`: None to go by the hints, none at all where the tool looks
        itself. One that is not `listed` is for programs that know it. What only reads is asked once
        for all of a token who ask the same (shared.py), unless it `waits` for something to happen.
        The schema says that there are no other arguments, and does without the titles that the SDK
        makes of their names: every model that is connected reads all of it.
        """
        if not self.offers(kind):
            return
        self._scopes[name] = (needed_scope(kind.hints),) if scopes is None else scopes
        if not listed:
            self._unlisted.add(name)
        text = inspect.cleandoc(about or run.__doc__ or "")
        if kind.hints.read_only_hint and not waits:
            run = self._once_for_all(name, run)
        self.add_tool(
            run, name=name, description=text, annotations=kind.hints, structured_output=False
        )
        tool = self._tool_manager.get_tool(name)
        assert tool is not None
        tool.parameters = _lean(tool.parameters)
        self.metrics.expect(name)

    async def list_tools(self) -> list[Tool]:
        """Return the tools that are shown to agents."""
        return [tool for tool in await super().list_tools() if tool.name not in self._unlisted]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource, all of which are for whoever may read the log."""
        with serving(*_origin(context)):
            if not caller().may(READ):
                raise ResourceError(f"the token of {caller().name} lacks the scope {READ}")
            return await super().read_resource(uri, context)

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Any, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Return a prompt; raise MCPError with one line for what does not exist or is missing.

        Of any other error the SDK says to newer clients only that it was internal.
        """
        prompts = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in prompts:
            raise MCPError(INVALID_PARAMS, _unknown("prompt", [name], tuple(prompts)))
        taken = {one.name: one.required for one in prompts[name].arguments or ()}
        given = arguments or {}
        unknown = [key for key in given if key not in taken]
        if unknown:
            raise MCPError(INVALID_PARAMS, _unknown("argument", unknown, tuple(taken)))
        missing = [key for key, required in taken.items() if required and key not in given]
        if missing:
            raise MCPError(INVALID_PARAMS, f"{', '.join(missing)} is missing")
        return await super().get_prompt(name, given, context)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run one tool; raise ToolError with one line for whatever the caller should know."""
        with serving(*_origin(context)):
            return await self._served(name, arguments, context)

    async def _served(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        valid = await self._arguments_of(name)
        if valid is None:  # of a program the address is wrong, never what it sends
            listed = tuple(one for one in self._valid if one not in self._unlisted)
            return failed(failure_of(SchemaProblem(_unknown("tool", [name], listed))))
        given = {key: value for key, value in arguments.items() if value is not None}
        started = time.perf_counter()
        outcome = "failed"
        self._in_hand += 1
        self.metrics.in_hand(self._in_hand)
        try:
            missing = self._missing_scope(name)
            if missing is not None:
                outcome = "refused"
                return failed(failure_of(missing))
            refuse_unknown(given, valid)
            with calling(name, context):
                result = await super().call_tool(name, given, context)
            outcome = "failed" if isinstance(result, CallToolResult) and result.is_error else "ok"
            return result
        except anyio.get_cancelled_exc_class():
            outcome = "refused"  # by the caller himself
            raise
        except ToolError as exc:
            cause = exc.__cause__
            if isinstance(cause, ValidationError):
                outcome = "refused"
                raise ToolError(one_line(_first_problems(cause))) from None
            if isinstance(cause, self._callers_errors):
                outcome = "refused"
                raise ToolError(one_line(str(cause))) from cause
            if isinstance(cause, (ToolError, *self._other_errors)):
                raise ToolError(one_line(str(cause))) from cause
            if not isinstance(exc, UnexpectedToolError):
                outcome = "refused"
            raise
        finally:
            self._in_hand -= 1
            self.metrics.in_hand(self._in_hand)
            self.metrics.observe(name, outcome, time.perf_counter() - started)

    def _once_for_all(self, name: str, run: ToolFunction) -> ToolFunction:
        @functools.wraps(run)
        async def tool(**given: Any) -> CallToolResult:
            key = repr((caller().name, name, given))  # as JSON, NaN would be null
            return await self._shared.answer(key, functools.partial(run, **given))

        return tool

    def _tool_input_schema(self, name: str) -> None:
        """Say that no argument comes in a header: to find out, the SDK would read the schema."""

    def _missing_scope(self, name: str) -> SchemaProblem | None:
        """Return what the caller's token lacks, None when he may use the tool."""
        scopes = self._scopes[name]
        if not scopes or any(caller().may(scope) for scope in scopes):
            return None
        return SchemaProblem(
            f"the token of {caller().name} lacks the scope {scopes[0]}, which {name} needs"
        )

    async def _arguments_of(self, name: str) -> tuple[str, ...] | None:
        if not self._valid:
            tools = await super().list_tools()
            self._valid = {tool.name: tuple(tool.input_schema["properties"]) for tool in tools}
        return self._valid.get(name)


def _lean(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's schema without titles and without what only says `not given`."""
    properties = {name: _argument(said) for name, said in schema["properties"].items()}
    kept = {key: value for key, value in schema.items() if key != "title"}
    return {**kept, "properties": properties, "additionalProperties": False}


def _argument(said: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in said.items() if key != "title"}
    if kept.get("default", 0) in ("", None, []):
        del kept["default"]
    kinds = [kind for kind in kept.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del kept["anyOf"]
        kept = {**kinds[0], **kept}
    return {key: value for key, value in kept.items() if key != "additionalProperties"}


def _origin(
    context: Context[Any, Any] | None,
) -> tuple[Caller, Mapping[str, str], Line | None]:
    """Return the caller, headers and line of an HTTP request; over stdio there are none.

    A request that did not come through the gate may do nothing.
    """
    request = None if context is None else context.request_context.request
    if not isinstance(request, Request):
        return LOCAL, {}, None
    made_by = request.scope.get(CALLER_KEY, Caller("stranger", frozenset()))
    return made_by, request.headers, request.scope.get(LINE_KEY)


def refuse_unknown(given: dict[str, Any], valid: Sequence[str]) -> None:
    """Raise ToolError for arguments that do not exist: nearest and valid names."""
    unknown = [key for key in given if key not in valid]
    if unknown:
        raise ToolError(_unknown("argument", unknown, valid))


def _unknown(what: str, names: Sequence[str], valid: Sequence[str]) -> str:
    quoted = ", ".join(repr(name[:64]) for name in names[:5])
    near = difflib.get_close_matches(names[0][:64], valid, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return one_line(f"unknown {what} {quoted}; {hint}valid: {', '.join(valid)}")


def _first_problems(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False)[:3]:
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "missing":
            problems.append(f"{where} is missing")
            continue
        given = _SHORT.repr(item.get("input"))
        shown = given if len(given) <= 60 else given[:59] + "…"
        problems.append(f"{where}: {item['msg']} (given {shown})")
    return "; ".join(problems)
