"""Dewey: the library that keeps what Godot collects, in PostgreSQL."""

from __future__ import annotations

from dewey_logs.accounts import Accounts, Epoch
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
