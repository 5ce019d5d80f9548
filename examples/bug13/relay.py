"""A relay with the bug: it lists the tools of two servers, and some of them cannot be called.

    python relay.py FAULT TOOL ARGUMENTS      e.g. named query_logs '{"text": "disk"}'

It starts both servers, each behind a tap, lists their tools, calls one, and prints what came of it.
What is wrong with it stands in `call`; nobody who only sees its messages would know.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from clientlib import ICCMLogger, trace_context, trace_headers

HERE = Path(__file__).parent
log = ICCMLogger(component="relay")


class Server:
    """One server over stdio: a question at a time."""

    def __init__(self, name: str, *command: str) -> None:
        pipe = subprocess.PIPE
        tap = [sys.executable, "-m", "godot", "tap", "--as", name, "--"]
        self._process = subprocess.Popen([*tap, *command], stdin=pipe, stdout=pipe, text=True)
        self._asked = 0
        about = {"protocolVersion": "2025-06-18", "capabilities": {}}
        self.ask("initialize", {**about, "clientInfo": {"name": "relay", "version": "1.0.0"}})
        self._send({"method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._asked += 1
        meta = {"_meta": trace_headers()} if trace_headers() else {}
        self._send({"id": self._asked, "method": method, "params": {**params, **meta}})
        assert self._process.stdout is not None
        while (answer := json.loads(self._process.stdout.readline())).get("id") != self._asked:
            pass
        return answer

    def close(self) -> None:
        self._process.communicate()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()


def registered(servers: list[Server]) -> dict[str, tuple[Server, Any]]:
    """Return every tool under a name that any model takes."""
    found = {}
    for server in servers:
        for tool in server.ask("tools/list", {})["result"]["tools"]:
            name = re.sub(r"[^A-Za-z0-9_]", "_", tool["name"])
            found[name] = (server, tool.get("inputSchema"))
    return found


def call(tools: dict[str, tuple[Server, Any]], name: str, arguments: Any) -> str:
    """Call a tool as the relay's client would."""
    server, schema = tools[name]
    if not isinstance(schema, dict) or schema.get("type") != "object":
        log.warn("tool call refused", {"tool": name})
        return f"{name} cannot be called"
    log.info("tool call passed on", {"tool": name})
    return json.dumps(server.ask("tools/call", {"name": name, "arguments": arguments}))


def main(fault: str, name: str, arguments: str) -> None:
    gates = Server("gates", sys.executable, str(HERE / "gates.py"))
    dewey = Server("dewey", "node", str(HERE / "dewey.mjs"), fault)
    tools = registered([gates, dewey])
    print("listed:", ", ".join(tools))
    trace_id = str(uuid.uuid4())
    with trace_context(trace_id):
        print(call(tools, "open_gate", {"number": 13}))
        print(call(tools, name, json.loads(arguments)))
    print("trace:", trace_id)
    gates.close()
    dewey.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
