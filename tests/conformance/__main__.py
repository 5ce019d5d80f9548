"""`make conformance`: both MCP servers, asked by programs that are not ours.

The suite can send no token, so it asks servers without any; the inspector calls every tool of
servers that want one. Exits with 1 when anything is not as `baseline.yml` says.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from dewey_logs.tools import ADMIN, READ, WRITE, add_token, make_token
from tests.bench.servers import COMMANDS, serving
from tests.bench.stack import Stack, stack
from tests.conformance import inspector, suite
from tests.conformance.inspector import TRACE, Inspector, Refused

SPOKEN = {
    "component": "conformance",
    "level": "INFO",
    "message": "asked from outside",
    "trace_id": TRACE,
}
STORED_S = 30.0


def main() -> int:
    complaints = []
    with stack() as here, here.worker():
        tokens = here.folder / "tokens"
        agent = _token(tokens, "agent", READ, WRITE, ADMIN)
        reader = _token(tokens, "reader", READ)
        for which in COMMANDS:
            with serving(here, which) as url:
                complaints += _suite(which, url, here.folder / f"results-{which}")
            with serving(here, which, tokens) as url:
                try:
                    _inspect(which, url, agent, reader, here)
                except (Refused, AssertionError) as exc:
                    complaints.append(f"{which}, inspector: {exc!r}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print("NOT as it should be" if complaints else "all as it should be")
    return 1 if complaints else 0


def _suite(which: str, url: str, folder: Path) -> list[str]:
    folder.mkdir()
    found = suite.ask(url, folder)
    passed = sum(one.passed for one in found.scenarios)
    failed = sum(one.failed for one in found.scenarios)
    clean = sum(not one.failed for one in found.scenarios)
    print(
        f"{which}, suite: {clean} of {len(found.scenarios)} scenarios without a failure;"
        f" {passed} checks passed, {failed} failed"
    )
    for scenario, check, why in found.failures:
        print(f"  failed {scenario}:{check}: {why}")
    for one in found.scenarios:
        if one.name in suite.REQUIRED:
            print(f"  {one.name}: {one.passed} passed, {one.failed} failed")
    return [f"{which}, suite: {found.complaint}"] if found.complaint else []


def _inspect(which: str, url: str, agent: str, reader: str, here: Stack) -> None:
    """List, call each tool, and be refused; raises Refused or AssertionError."""
    asks = Inspector(url, agent, here.folder)
    for listed, count in inspector.lists(asks).items():
        print(f"{which}, inspector: {listed}: {count}")
    prefix = {"godot": "logger", "dewey": "dewey"}[which]
    write, level, clear = _changing(which)
    written: Any = asks.call(write, SPOKEN if which == "godot" else {"logs": [SPOKEN] * 2})
    assert not written.get("rejected"), f"not written: {written}"
    query = "logger_query" if which == "godot" else "dewey_query_logs"
    calls = inspector.reading(prefix, _stored_id(asks, query))
    for tool, arguments in calls.items():
        assert asks.call(tool, arguments), tool
    asks.call(level, {"component": "conformance", "level": "DEBUG", "duration": "1m"})
    assert inspector.cleared(asks, clear, component="conformance") >= 1
    called = {write, level, clear, *calls}
    offered = inspector.tools(asks)
    assert called == set(offered), f"not called: {sorted(set(offered) - called)}"
    print(f"{which}, inspector: {len(called)} tools called, as an agent with every scope")
    given: dict[str, Any] = dict(SPOKEN) if which == "godot" else {"logs": [SPOKEN]}
    strangers: tuple[tuple[str, str | None, str, dict[str, Any], str], ...] = (
        ("nobody", None, query, {}, "auth_required"),
        ("a stranger", "gdt_wrong", query, {}, "auth_required"),
        ("a reader", reader, write, given, "scope"),
    )
    for who, token, tool, arguments, word in strangers:
        said = _refusal(Inspector(url, token, here.folder), tool, arguments)
        assert word in said, f"{who} calling {tool}: {said or 'was answered'}"
        print(f"{which}, inspector: {who} calling {tool}: refused ({word})")


def _refusal(asks: Inspector, tool: str, arguments: dict[str, Any]) -> str:
    """Return what was said instead of an answer, nothing when there was one."""
    try:
        asks.call(tool, arguments)
    except Refused as exc:
        return str(exc)
    return ""


def _changing(which: str) -> tuple[str, str, str]:
    if which == "godot":
        return "logger_log", "logger_set_level", "logger_clear"
    return "dewey_store_logs_batch", "dewey_set_log_level", "dewey_clear_logs"


def _stored_id(asks: Inspector, query: str) -> str:
    """Return the id of the record that was written, once the worker has stored it."""
    deadline = time.monotonic() + STORED_S
    while True:
        found = asks.call(query, {"component": "conformance", "limit": 1})
        if found["rows"]:
            return str(found["rows"][0][found["columns"].index("id")])
        assert time.monotonic() < deadline, "the record was not stored"


def _token(path: Path, name: str, *scopes: str) -> str:
    text, line = make_token(name, scopes)
    add_token(path, line)
    return text


if __name__ == "__main__":
    sys.exit(main())
