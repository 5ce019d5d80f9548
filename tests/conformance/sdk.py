"""What the SDK's client is answered by a server, as data that can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from pydantic import BaseModel

from tests.conformance.public import LONG, Public

STEPS = 5


class Session:
    """One client's talk with a server; what is refused is noted as what it says."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.found: dict[str, Any] = {}

    async def note(self, what: str, asked: Any) -> None:
        try:
            result: BaseModel = await asked
            self.found[what] = result.model_dump(mode="json", exclude_none=True, by_alias=True)
        except MCPError as exc:
            self.found[what] = str(exc)

    async def ask(self, server: Public) -> None:
        """List everything, call, get and read what the server is to be asked."""
        client = self._client
        await self.note("tools/list", client.list_tools())
        if server.prompts:
            await self.note("prompts/list", client.list_prompts())
        if server.resources:
            await self.note("resources/templates/list", client.list_resource_templates())
        for tool, arguments in server.calls:
            await self.note(f"{tool} {str(arguments)[:80]}", client.call_tool(tool, arguments))
        for prompt, given in server.prompts:
            await self.note(f"prompt {prompt}", client.get_prompt(prompt, given))
        for uri in server.resources:
            await self.note(f"resource {uri}", client.read_resource(uri))

    async def ask_long(self) -> None:
        """Have a long call report its progress, and give another one up."""
        seen: list[tuple[float, float | None]] = []

        async def noted(progress: float, total: float | None, message: str | None) -> None:
            seen.append((progress, total))

        asked = self._client.call_tool(
            LONG, {"duration": 1, "steps": STEPS}, progress_callback=noted
        )
        await self.note("a long call", asked)
        self.found["its progress"] = list(seen)
        with anyio.move_on_after(1.0):
            await self._client.call_tool(
                LONG, {"duration": 30, "steps": 300}, progress_callback=noted
            )
        self.found["a call that was given up reported progress"] = len(seen) > STEPS


def answers(
    target: str | tuple[str, ...],
    server: Public,
    mode: Any,
    log: Path,
    env: dict[str, str] | None = None,
    *,
    long: bool = False,
) -> dict[str, Any]:
    """Return everything that a server on stdio (a command) or HTTP (a URL) answers."""

    async def session() -> dict[str, Any]:
        with log.open("a") as errors:
            transport: Any = target
            if not isinstance(target, str):
                command, *arguments = target
                how = StdioServerParameters(command=command, args=arguments, env=env)
                transport = stdio_client(how, errors)
            async with Client(transport, mode=mode) as client:
                asked = Session(client)
                await asked.ask(server)
                if long:
                    await asked.ask_long()
                return {"protocol": str(client.protocol_version), **asked.found}

    return anyio.run(session)
