"""Both MCP servers as programs of their own, with tokens and without, over one stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

COMMANDS = {"godot": ("godot", "mcp"), "dewey": ("dewey_logs", "serve")}
ROLES = {"godot": "mcp", "dewey": "dewey"}


class Place(Protocol):
    """Where a server keeps its things, and the settings it starts with."""

    @property
    def folder(self) -> Path: ...

    @property
    def environ(self) -> Mapping[str, str]: ...


@contextmanager
def serving(here: Place, which: str, tokens: Path | None = None) -> Iterator[str]:
    """Run `godot mcp` or `dewey serve`; give its URL."""
    more = {} if tokens is None else {"GODOT_TOKENS_FILE": str(tokens)}
    ports = {"GODOT_MCP_PORT": "0", "DEWEY_MCP_PORT": "0"}
    with (here.folder / f"{which}-{len(more)}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[which]],
            env={**os.environ, **here.environ, **ports, **more},
            stdout=log,
            stderr=log,
        )
        path = here.folder / "run" / f"{ROLES[which]}-{process.pid}.json"
        try:
            while not path.exists():
                assert process.poll() is None, Path(log.name).read_text("utf-8")
                time.sleep(0.05)
            yield json.loads(path.read_bytes())["mcp_url"]
        finally:
            process.terminate()
            process.wait(30)
