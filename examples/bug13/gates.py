"""A server that is right, made with the Python SDK. It logs under the trace of the request."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from clientlib import ICCMLogger, trace_id_from

log = ICCMLogger(component="gates.server")
server = MCPServer("gates", version="1.0.0")


@server.tool()
async def open_gate(number: int, context: Context) -> str:
    """Open a gate."""
    log.info("gate opened", {"number": number}, trace_id_from(context.request_context.meta))
    return f"gate {number} is open"


if __name__ == "__main__":
    server.run("stdio")
