"""Dewey: the library that keeps what Godot collects, in PostgreSQL.

A name's module is imported when it is asked for first, psycopg with the first one that needs it:
`dewey --help` does not, nor does a program that only builds filters.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewey_logs.accounts import Accounts, Epoch, Neighbours
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
    from dewey_logs.clearing import Cleared, ClearPlan
    from dewey_logs.comparisons import Comparison
    from dewey_logs.contents import Contents, Held
    from dewey_logs.deadletters import DeadLetter, DeadLetterFilter, DeadLetterReason
    from dewey_logs.diagnosis import Diagnosis
    from dewey_logs.errors import (
        BadAddress,
        BadChoice,
        BadFilter,
        DeweyError,
        NotDurable,
        QueryTimeout,
        SchemaProblem,
        TooLarge,
        TooSlow,
        Unanswered,
        Unavailable,
        Unclassified,
        Unreachable,
    )
    from dewey_logs.export import Export
    from dewey_logs.filterprint import format_filter
    from dewey_logs.filters import LogFilter
    from dewey_logs.filtertext import narrowed, parse_filter
    from dewey_logs.glance import store_totals
    from dewey_logs.levels import LevelChange, LevelSetting
    from dewey_logs.matching import matcher
    from dewey_logs.measures import Measures
    from dewey_logs.opening import open_store
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
    from dewey_logs.store import Store
    from dewey_logs.times import parse_time
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
    "TooSlow",
    "Trace",
    "TraceRecord",
    "Unanswered",
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
    "store_totals",
]

_HOMES = {
    "Accounts": "dewey_logs.accounts",
    "Answer": "dewey_logs.answers",
    "Arrivals": "dewey_logs.answers",
    "BadAddress": "dewey_logs.errors",
    "BadChoice": "dewey_logs.errors",
    "BadFilter": "dewey_logs.errors",
    "Batch": "dewey_logs.rows",
    "Bucket": "dewey_logs.answers",
    "Checkpoint": "dewey_logs.rows",
    "ClearPlan": "dewey_logs.clearing",
    "Cleared": "dewey_logs.clearing",
    "Comparison": "dewey_logs.comparisons",
    "ComponentCounts": "dewey_logs.answers",
    "Contents": "dewey_logs.contents",
    "Context": "dewey_logs.answers",
    "DayCounts": "dewey_logs.answers",
    "DeadLetter": "dewey_logs.deadletters",
    "DeadLetterFilter": "dewey_logs.deadletters",
    "DeadLetterReason": "dewey_logs.deadletters",
    "DeweyError": "dewey_logs.errors",
    "Diagnosis": "dewey_logs.diagnosis",
    "Dropped": "dewey_logs.rows",
    "EntryRun": "dewey_logs.rows",
    "Epoch": "dewey_logs.accounts",
    "Export": "dewey_logs.export",
    "FacetValue": "dewey_logs.answers",
    "Facets": "dewey_logs.answers",
    "Held": "dewey_logs.contents",
    "Histogram": "dewey_logs.answers",
    "LevelChange": "dewey_logs.levels",
    "LevelCounts": "dewey_logs.answers",
    "LevelSetting": "dewey_logs.levels",
    "LogFilter": "dewey_logs.filters",
    "LogRecordView": "dewey_logs.rows",
    "LogRow": "dewey_logs.rows",
    "Measures": "dewey_logs.measures",
    "Neighbours": "dewey_logs.accounts",
    "NotDurable": "dewey_logs.errors",
    "Page": "dewey_logs.rows",
    "PatternChange": "dewey_logs.answers",
    "PatternCount": "dewey_logs.answers",
    "PatternTable": "dewey_logs.answers",
    "Prepared": "dewey_logs.writer",
    "QueryTimeout": "dewey_logs.errors",
    "Reject": "dewey_logs.rows",
    "Retried": "dewey_logs.rows",
    "SchemaProblem": "dewey_logs.errors",
    "SetBack": "dewey_logs.rows",
    "Source": "dewey_logs.rows",
    "Store": "dewey_logs.store",
    "StoreTotals": "dewey_logs.rows",
    "Summary": "dewey_logs.answers",
    "TooLarge": "dewey_logs.errors",
    "TooSlow": "dewey_logs.errors",
    "Unanswered": "dewey_logs.errors",
    "Trace": "dewey_logs.answers",
    "TraceRecord": "dewey_logs.answers",
    "Unavailable": "dewey_logs.errors",
    "Unclassified": "dewey_logs.errors",
    "Unreachable": "dewey_logs.errors",
    "Window": "dewey_logs.rows",
    "WindowComparison": "dewey_logs.answers",
    "WriteResult": "dewey_logs.rows",
    "format_filter": "dewey_logs.filterprint",
    "matcher": "dewey_logs.matching",
    "narrowed": "dewey_logs.filtertext",
    "open_store": "dewey_logs.opening",
    "parse_filter": "dewey_logs.filtertext",
    "parse_time": "dewey_logs.times",
    "store_totals": "dewey_logs.glance",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
