"""The protocol's inspector, by its command: what a server offers, and every tool called once.

It speaks the versions before 2026-07-28 unless told otherwise, so both are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conformance.node import run

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
ERAS = ("legacy", "modern")
TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


class Refused(Exception):
    """The inspector ended otherwise than well; `code` says how."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit {code}: {said}")
        self.code = code


class Inspector:
    """Asks one server, with a token or without."""

    def __init__(self, url: str, token: str | None, home: Path) -> None:
        # without the last it would wait for somebody to log in by a browser
        quiet = ("--quiet", "--format", "json", "--stored-auth-only")
        self._target = (url, "--transport", "http", *quiet)
        self._header = () if token is None else ("--header", f"Authorization: Bearer {token}")
        self._home = home

    def ask(self, method: str, *more: str) -> Any:
        """Return a result; raises Refused."""
        done = run(
            "mcp-inspector",
            *("--cli", *self._target, *self._header, "--method", method, *more),
            home=self._home,
        )
        if done.returncode:
            raise Refused(done.returncode, f"{done.stderr[-1000:]} {done.stdout[-1000:]}")
        return json.loads(done.stdout)["result"]

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        """Return a tool's structured content; an error of the tool is Refused, too."""
        given = json.dumps(arguments)
        result = self.ask("tools/call", "--tool-name", tool, "--tool-args-json", given)
        return result["structuredContent"]


def lists(inspector: Inspector) -> dict[str, int]:
    """Ask for every list in both eras, the tools' schemas linted strictly; return the lengths."""
    found = {}
    for era in ERAS:
        for method in LISTS:
            lint = ("--strict",) if method == "tools/list" else ()
            result = inspector.ask(method, "--protocol-era", era, *lint)
            (listed,) = (value for value in result.values() if isinstance(value, list))
            found[f"{method} ({era})"] = len(listed)
    return found


def tools(inspector: Inspector) -> list[str]:
    """Return the names of the tools, sorted."""
    return sorted(tool["name"] for tool in inspector.ask("tools/list")["tools"])


def reading(prefix: str, record_id: str) -> dict[str, dict[str, Any]]:
    """Return a call of each tool that reads, of the server whose tools begin with `prefix`."""
    godot = prefix == "logger"
    calls: dict[str, dict[str, Any]] = {
        "logger_query" if godot else "dewey_query_logs": {"since": "1h", "limit": 5},
        "logger_stats" if godot else "dewey_get_log_stats": {"since": "1h"},
        f"{prefix}_trace": {"trace_id": TRACE},
        f"{prefix}_context": {"id": record_id, "before": 2},
        f"{prefix}_patterns": {"since": "1h"},
        f"{prefix}_compare": {"since": "1h"},
        f"{prefix}_tail": {"wait_ms": 0},
    }
    return calls if godot else {**calls, "dewey_facets": {"field": "component"}}


def cleared(inspector: Inspector, tool: str, **wanted: str) -> int:
    """Clear in the two steps that it takes; return how many records went."""
    plan = inspector.call(tool, wanted)
    return int(inspector.call(tool, {"confirm": plan["confirm"]})["removed"])
