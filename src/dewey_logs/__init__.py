"""Dewey: the library that keeps what Godot collects, in PostgreSQL.

psycopg is imported with the first name that needs it: `dewey --help` does not, nor does a program
that only builds filters.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dewey_logs.errors import BadFilter, DeweyError, QueryTimeout, SchemaProblem, Unavailable
from dewey_logs.filters import LogFilter
from dewey_logs.rows import (
    Batch,
    Dropped,
    EntryRun,
    LogRecordView,
    LogRow,
    Page,
    Reject,
    Source,
    StoreTotals,
    Window,
    WriteResult,
)

if TYPE_CHECKING:
    from dewey_logs.accounts import Accounts, Epoch
    from dewey_logs.store import Store, open_store

__all__ = [
    "Accounts",
    "BadFilter",
    "Batch",
    "DeweyError",
    "Dropped",
    "EntryRun",
    "Epoch",
    "LogFilter",
    "LogRecordView",
    "LogRow",
    "Page",
    "QueryTimeout",
    "Reject",
    "SchemaProblem",
    "Source",
    "Store",
    "StoreTotals",
    "Unavailable",
    "Window",
    "WriteResult",
    "open_store",
]

_LATE = {
    "Accounts": "dewey_logs.accounts",
    "Epoch": "dewey_logs.accounts",
    "Store": "dewey_logs.store",
    "open_store": "dewey_logs.store",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
