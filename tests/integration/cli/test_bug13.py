"""examples/bug13 as its README tells it: tap both servers, list, call, ask why."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.cli.conftest import Run

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "bug13"
FAULTS = {
    "named": ("query_logs", "inputSchema is missing; input_schema is no name for it"),
    "typeless": ("query_logs", 'inputSchema.type is missing: it has to be "object"'),
    "dashed": ("query-logs", "it is called as query_logs: the name is rewritten"),
}
BROKEN = {
    "named": ["result.tools[0].inputSchema"],
    "typeless": ["result.tools[0].inputSchema.type"],
}
PLACES = {"named": "tools[].inputSchema", "typeless": "tools[].inputSchema.type"}


@pytest.mark.skipif(shutil.which("node") is None, reason="one of the two servers is Node's")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_report_names_what_keeps_the_tool_from_being_called(
    fault: str,
    environment: dict[str, str],
    here: Run,
    working: Callable[..., Any],
    stored: Callable[[int], list[tuple[Any, ...]]],
):
    relay = subprocess.run(
        [sys.executable, str(EXAMPLE / "relay.py"), fault, "query_logs", '{"text": "disk"}'],
        env=environment, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert "gate 13 is open" in relay.stdout, relay.stderr
    assert "query_logs" in relay.stdout.splitlines()[0]
    trace_id = relay.stdout.split()[-1]
    passed_on = 1 if fault == "dashed" else 0
    with working():
        rows = stored(2 * 7 + 3 + 2 + 2 * passed_on)

    traced = [(row[2], row[0]) for row in rows if row[5] == trace_id]
    assert traced[:4] == [
        ("relay", "tool call passed on"),
        ("gates", "request tools/call"),
        ("gates.server", "gate opened"),
        ("gates", "response tools/call"),
    ]
    found = here("tap-report", "--between", "gates", "dewey", "-o", "json")
    assert found.returncode == 4
    document = msgspec.json.decode(found.stdout)
    dewey, gates = document["servers"]
    assert [tool["verdict"] for tool in gates["tools"]] == ["callable as listed"]
    assert dewey["handshake"]["serverInfo"]["name"] == "dewey"
    assert gates["protocol"]["broken"] == []
    broken = [each["path"] for each in dewey["protocol"]["broken"]]
    assert broken == BROKEN.get(fault, [])
    tool, problem = FAULTS[fault]
    verdicts = {each["name"]: each["verdict"] for each in dewey["tools"]}
    assert problem in verdicts[tool]
    places = {place["path"]: place for place in document["between"]["tools/list"]}
    if fault in PLACES:
        assert places[PLACES[fault]]["gates"].startswith("always")
        assert places[PLACES[fault]]["dewey"] == "never"
    else:
        assert not {*PLACES.values()} & {*places}
