"""The protocol's public conformance suite, against one server that asks for no token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from tests.conformance.node import HERE, run

BASELINE = HERE / "baseline.yml"
# what must have been asked and must have passed, however the suite changes
REQUIRED = (
    "server-initialize",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-error",
    "dns-rebinding-protection",
    "server-stateless",
    "http-header-validation",
    "server-session-lifecycle",
    "caching",
    "resources-list",
    "prompts-list",
)
_SUMMARY = re.compile(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)


class Scenario(NamedTuple):
    """One scenario's checks."""

    name: str
    passed: int
    failed: int


class Found(NamedTuple):
    """What a run found; `complaint` is empty when it is what the baseline says."""

    scenarios: tuple[Scenario, ...]
    failures: tuple[tuple[str, str, str], ...]  # scenario, check, why
    complaint: str


def ask(url: str, folder: Path) -> Found:
    """Run every scenario that there is, in all versions of the protocol."""
    done = run(
        "conformance",
        *("server", "--url", url, "--suite", "all"),
        *("--expected-failures", str(BASELINE), "--output-dir", str(folder)),
        home=folder,
    )
    scenarios = tuple(
        Scenario(name, int(passed), int(failed))
        for name, passed, failed in _SUMMARY.findall(done.stdout)
    )
    complaint = "" if done.returncode == 0 else done.stdout[-2000:] + done.stderr[-2000:]
    missing = set(REQUIRED).difference(one.name for one in scenarios)
    if missing:
        complaint += f"not asked: {', '.join(sorted(missing))}"
    return Found(scenarios, tuple(_failures(folder)), complaint)


def _failures(folder: Path) -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(folder.glob("server-*/checks.json")):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name)
        for check in json.loads(path.read_bytes()):
            if check["status"] == "FAILURE":
                why = " ".join(str(check.get("errorMessage", "")).split())
                found.append((scenario, check["id"], why[:160]))
    return found
