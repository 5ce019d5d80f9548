"""The programs of npm that ask our servers, run by the Node that is installed with them.

They need a newer Node than most machines have; the package that holds it is locked like the rest.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"


class NotInstalled(Exception):
    """What `make conformance` installs is missing."""


def node() -> Path:
    """Return the interpreter that was installed for this machine."""
    found = sorted(MODULES.glob("node-*/bin/node"))
    if not found:
        raise NotInstalled(f"there is no Node for this machine in {MODULES}: see package.json")
    return found[0]


def run(program: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the installed programs; what it keeps for its user goes to `home`."""
    return subprocess.run(
        [str(node()), str(MODULES / ".bin" / program), *arguments],
        env={**os.environ, "HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
