"""SQL by name: longer statements live in `sql/`, where an editor and `psql` can read them.

In the wheel the folder is packaged as `_sql`; in a checkout it is `sql/` at the root.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import LiteralString

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@cache
def folder() -> Path:
    """Return the folder that holds `queries.sql` and `migrations/`."""
    package = Path(__file__).resolve().parent
    packaged = package / "_sql"
    return packaged if packaged.is_dir() else package.parents[1] / "sql"


@cache
def _blocks() -> dict[str, str]:
    parts = _NAME.split((folder() / "queries.sql").read_text("utf-8"))
    names, texts = parts[1::2], parts[2::2]
    return {name: text.strip() for name, text in zip(names, texts, strict=True)}


def statement(name: str) -> LiteralString:
    """Return the block `-- name: <name>` of queries.sql; values are bound, never written in."""
    return _blocks()[name]
