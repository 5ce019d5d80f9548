"""How many records there are, of whom, of which level and when: one tool under two names.

Time, component and level are answered from counts that are kept anyway. Anything else is counted
record by record, within a budget, and its components are those of the newest records.
"""

from __future__ import annotations

from typing import Annotated, Any

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.answers import Bucket, Facets, Histogram, LevelCounts, Summary
from dewey_logs.budget import only_counts
from dewey_logs.filters import LogFilter
from dewey_logs.tools.advice import when_empty
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, filtered
from dewey_logs.tools.kinds import COUNTS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, columns_of, short_time
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask

ABOUT = """\
Count log records: in all, by level, by component and over time.

Use it first, without any filter, to see what is in the log and how far back; then with level=ERROR
to see when errors rose and whose they are. Quick for since, until, component and level. Empty
intervals are left out. Not for the records themselves ({query}).
"""
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def offer_stats(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that counts."""

    async def stats(
        wanted: LogFilter,
        interval: Annotated[str, Field(description="auto, 30s, 5m, 1h, 1d")] = "auto",
    ) -> CallToolResult:
        payload = await counted(ask, wanted, interval)
        if not payload["total"]:
            payload["hints"] = await when_empty(ask, names, wanted)
        return answer(payload)

    about = ABOUT.format(**names._asdict())
    server.offer(filtered(stats, (*FILTER, "limit")), names.stats, COUNTS, about)


async def counted(ask: Ask, wanted: LogFilter, interval: str) -> Payload:
    """Return the counts as a payload; both questions go to one thread: going there costs CPU."""
    if only_counts(wanted):
        histogram, summary = await ask(
            lambda store: (store.histogram(wanted, interval), store.summary(wanted, disk=False))
        )
        head, components = _of_summary(summary), _by_component(summary)
    else:
        histogram, facets = await ask(
            lambda store: (store.histogram(wanted, interval), store.facets("component", wanted))
        )
        head, components = _of_histogram(histogram, facets), _named(facets)
    filled = [bucket for bucket in histogram.buckets if bucket.counts.total]

    async def build(rows: int, chars: int) -> Payload:
        newest = filled[-rows:]
        return {
            "untrusted": UNTRUSTED,
            **head,
            "by_component": columns_of(components[:rows], own=("component", "total", *LEVELS)),
            "by_time": {
                "interval_s": histogram.interval_s,
                **columns_of(_over_time(newest, histogram.interval_s), own=("time", *LEVELS)),
            },
            "truncated": head["truncated"] or len(components) > rows or len(newest) < len(filled),
            "next_cursor": None,
        }

    return await fitting(build, max(len(filled), len(components), 1), MESSAGE_CHARS, ANSWER_BYTES)


def _of_summary(summary: Summary) -> Payload:
    return {
        "total": summary.matched,
        "levels": _levels(summary.levels),
        "oldest": None if summary.oldest is None else short_time(summary.oldest),
        "newest": None if summary.newest is None else short_time(summary.newest),
        "truncated": summary.truncated,
    }


def _of_histogram(histogram: Histogram, facets: Facets) -> Payload:
    sums = [sum(getattr(b.counts, name.lower()) for b in histogram.buckets) for name in LEVELS]
    return {
        "total": histogram.matched,
        "levels": {name: n for name, n in zip(LEVELS, sums, strict=True) if n},
        **({"counted_back_to": histogram.reached} if histogram.scan_incomplete else {}),
        **({"components_of_newest": facets.matched} if facets.matched_capped else {}),
        "truncated": facets.truncated or histogram.scan_incomplete,
    }


def _by_component(summary: Summary) -> list[dict[str, Any]]:
    used = [name for name in LEVELS if getattr(summary.levels, name.lower())]
    return [
        {
            "component": cut(one.component, MESSAGE_CHARS),
            "total": one.counts.total,
            **{name: getattr(one.counts, name.lower()) for name in used},
        }
        for one in summary.components
    ]


def _named(facets: Facets) -> list[dict[str, Any]]:
    return [{"component": cut(one.value, MESSAGE_CHARS), "total": one.n} for one in facets.values]


def _over_time(buckets: list[Bucket], interval_s: int) -> list[dict[str, Any]]:
    used = [name for name in LEVELS if any(getattr(b.counts, name.lower()) for b in buckets)]
    return [
        {
            "time": _beginning(bucket.start, interval_s),
            **{name: getattr(bucket.counts, name.lower()) for name in used},
        }
        for bucket in buckets
    ]


def _beginning(start: str, interval_s: int) -> str:
    """Shorten the time at which an interval begins to what can differ."""
    if interval_s % 86_400 == 0:
        return start[:10]
    return f"{start[:16]}Z" if interval_s % 60 == 0 else f"{start[:19]}Z"


def _levels(counts: LevelCounts) -> dict[str, int]:
    return {name: n for name in LEVELS if (n := getattr(counts, name.lower()))}
