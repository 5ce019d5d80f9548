"""One call of a tool of the MCP server that is published on loopback, by plain HTTP."""

from __future__ import annotations

import http.client
import json

PROTOCOL = "2026-07-28"


def call(tool: str, arguments: dict[str, object], token: str | None) -> tuple[int, str]:
    """Return the status and the body of the answer."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": PROTOCOL,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    connection = http.client.HTTPConnection("127.0.0.1", 9060, timeout=10)
    try:
        connection.request("POST", "/mcp", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
