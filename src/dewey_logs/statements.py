"""SQL by name: longer statements live in `sql/`, where an editor and `psql` can read them.

In the wheel the folder is packaged as `_sql`; in a checkout it is `sql/` at the root.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import LiteralString

from psycopg import sql

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_INSIDE = re.compile(r"\A-- inside: (\w+)\n(.*)\Z", re.DOTALL)


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
    found = {name: text.strip() for name, text in zip(names, texts, strict=True)}
    return {
        name: _INSIDE.sub(lambda inner: _put(found, inner), text) for name, text in found.items()
    }


def _put(found: dict[str, str], inner: re.Match[str]) -> str:
    """Return a statement that stands inside of another, where that says so."""
    return found[inner[1]].replace("{inside}", inner[2].removesuffix(";"))


def statement(name: str) -> LiteralString:
    """Return the block `-- name: <name>` of queries.sql; values are bound, never written in."""
    return _blocks()[name]


@lru_cache(maxsize=256)
def filled_in(block: LiteralString, **parts: LiteralString) -> sql.Composed:
    """Return a block with its `{parts}` filled in.

    These are constants, so that nearly every one was put together before: it takes 30 µs.
    """
    return sql.SQL(block).format(**{name: sql.SQL(part) for name, part in parts.items()})
