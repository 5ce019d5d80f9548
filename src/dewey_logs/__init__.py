"""Dewey: the library that keeps what Godot collects, in PostgreSQL.

psycopg is imported with the first name that needs it: `dewey --help` does not, nor does a program
that only builds filters.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dewey_logs.answers import (
    Answer,
    Arrivals,
    Bucket,
    ComponentCounts,
    Context,
    DayCounts,
    Facets,
    FacetValue,
    Histogram,
    LevelCounts,
    PatternChange,
    PatternCount,
    PatternTable,
    Summary,
    Trace,
    TraceRecord,
    WindowComparison,
)
from dewey_logs.comparisons import Comparison
from dewey_logs.errors import (
    BadAddress,
    BadChoice,
    BadFilter,
    DeweyError,
    NotDurable,
    QueryTimeout,
    SchemaProblem,
    TooLarge,
    Unavailable,
    Unclassified,
    Unreachable,
)
from dewey_logs.filterprint import format_filter
from dewey_logs.filters import LogFilter
from dewey_logs.filtertext import narrowed, parse_filter
from dewey_logs.matching import matcher
from dewey_logs.rows import (
    Batch,
    Checkpoint,
    Dropped,
    EntryRun,
    LogRecordView,
    LogRow,
    Page,
    Reject,
    Retried,
    SetBack,
    Source,
    StoreTotals,
    Window,
    WriteResult,
)
from dewey_logs.times import parse_time

if TYPE_CHECKING:
    from dewey_logs.accounts import Accounts, Epoch, Neighbours
    from dewey_logs.clearing import Cleared, ClearPlan
    from dewey_logs.contents import Contents, Held
    from dewey_logs.deadletters import DeadLetter, DeadLetterFilter, DeadLetterReason
    from dewey_logs.diagnosis import Diagnosis
    from dewey_logs.export import Export
    from dewey_logs.levels import LevelChange, LevelSetting
    from dewey_logs.measures import Measures
    from dewey_logs.opening import open_store
    from dewey_logs.store import Store
    from dewey_logs.writer import Prepared

__all__ = [
    "Accounts",
    "Answer",
    "Arrivals",
    "BadAddress",
    "BadChoice",
    "BadFilter",
    "Batch",
    "Bucket",
    "Checkpoint",
    "ClearPlan",
    "Cleared",
    "Comparison",
    "ComponentCounts",
    "Contents",
    "Context",
    "DayCounts",
    "DeadLetter",
    "DeadLetterFilter",
    "DeadLetterReason",
    "DeweyError",
    "Diagnosis",
    "Dropped",
    "EntryRun",
    "Epoch",
    "Export",
    "FacetValue",
    "Facets",
    "Held",
    "Histogram",
    "LevelChange",
    "LevelCounts",
    "LevelSetting",
    "LogFilter",
    "LogRecordView",
    "LogRow",
    "Measures",
    "Neighbours",
    "NotDurable",
    "Page",
    "PatternChange",
    "PatternCount",
    "PatternTable",
    "Prepared",
    "QueryTimeout",
    "Reject",
    "Retried",
    "SchemaProblem",
    "SetBack",
    "Source",
    "Store",
    "StoreTotals",
    "Summary",
    "TooLarge",
    "Trace",
    "TraceRecord",
    "Unavailable",
    "Unclassified",
    "Unreachable",
    "Window",
    "WindowComparison",
    "WriteResult",
    "format_filter",
    "matcher",
    "narrowed",
    "open_store",
    "parse_filter",
    "parse_time",
]

_LATE = {
    "Accounts": "dewey_logs.accounts",
    "ClearPlan": "dewey_logs.clearing",
    "Cleared": "dewey_logs.clearing",
    "Contents": "dewey_logs.contents",
    "DeadLetter": "dewey_logs.deadletters",
    "DeadLetterFilter": "dewey_logs.deadletters",
    "DeadLetterReason": "dewey_logs.deadletters",
    "Diagnosis": "dewey_logs.diagnosis",
    "Epoch": "dewey_logs.accounts",
    "Export": "dewey_logs.export",
    "Held": "dewey_logs.contents",
    "LevelChange": "dewey_logs.levels",
    "LevelSetting": "dewey_logs.levels",
    "Measures": "dewey_logs.measures",
    "Neighbours": "dewey_logs.accounts",
    "Prepared": "dewey_logs.writer",
    "Store": "dewey_logs.store",
    "open_store": "dewey_logs.opening",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
