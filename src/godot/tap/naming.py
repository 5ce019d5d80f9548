"""The component of a tapped server that was given no name: what its command runs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

MAX_CHARS = 128
_VERSION = re.compile(r"(?<=.)(@|==).*")  # of a package
_RUNNERS = (
    "python",
    "node",
    "npx",
    "uvx",
    "uv",
    "bun",
    "bunx",
    "deno",
    "pipx",
    "sh",
    "bash",
    "env",
)


def name_of(command: Sequence[str]) -> str:
    """Return a name: `npx -y @scope/server-files@1 /srv` and `python -m server_files` run those.

    >>> name_of(["npx", "-y", "@modelcontextprotocol/server-everything", "stdio"])
    'server-everything'
    >>> name_of(["sh", "-c", "pg_dump app | gzip"])
    'pg_dump'
    """
    program = _stem(command[0])
    if program.rstrip("0123456789.") in _RUNNERS:
        for word in command[1:]:
            if not word.startswith("-") and word not in ("run", "exec", "tool"):
                program = _stem(word.split(maxsplit=1)[0]) if word.strip() else program
                break
    return program[:MAX_CHARS] or "server"


def _stem(word: str) -> str:
    name = os.path.basename(word.rstrip("/"))
    for ending in (".py", ".js", ".mjs", ".cjs", ".ts"):
        name = name.removesuffix(ending)
    return _VERSION.sub("", name)
