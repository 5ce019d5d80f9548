"""What kinds of messages there are, and which of them are new: tools under two names each.

A thousand lines that differ in a number are one line here. That is what a model should read first.
"""

from __future__ import annotations

from typing import Any

from mcp.types import CallToolResult

from dewey_logs.answers import PatternCount, PatternTable
from dewey_logs.filters import LogFilter
from dewey_logs.rows import LogRecordView
from dewey_logs.tools.advice import when_empty
from dewey_logs.tools.answer import answer
from dewey_logs.tools.arguments import FILTER, filtered
from dewey_logs.tools.kinds import COUNTS
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES, Payload, fitting
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import MESSAGE_CHARS, UNTRUSTED, columns_of
from dewey_logs.tools.texts import cut
from dewey_logs.tools.threads import Ask
from dewey_logs.tools.windows import Window, window_of

ABOUT = """\
Group messages that differ only in numbers, ids and the like, the most frequent first.

Use it before reading lines: level=ERROR says what is going wrong, and how often. since: an hour
back unless given. sample_id goes to {context}. Not for what changed ({compare}).
"""


def offer_patterns(server: StrictServer, names: Names, ask: Ask) -> None:
    """Add the tool that groups messages."""

    async def patterns(wanted: LogFilter) -> CallToolResult:
        window = window_of(wanted)
        found = await ask(lambda store: store.patterns(window.of(wanted)))
        payload = await told(found, window)
        if not found.matched:
            payload["hints"] = await when_empty(ask, names, window.of(wanted))
        return answer(payload)

    about = ABOUT.format(**names._asdict())
    server.offer(filtered(patterns, (*FILTER, "limit")), names.patterns, COUNTS, about)


async def told(found: PatternTable, window: Window) -> Payload:
    """Return patterns as a payload: as many as fit."""

    async def build(rows: int, chars: int) -> Payload:
        first = found.patterns[:rows]
        return {
            "untrusted": UNTRUSTED,
            **window.told(),
            "total": found.matched,
            "distinct": found.distinct,
            **columns_of([_row(one, chars) for one in first]),
            "returned": len(first),
            "truncated": found.truncated or len(first) < len(found.patterns),
            "next_cursor": None,
            **({"counted_back_to": found.reached} if found.scan_incomplete else {}),
        }

    return await fitting(build, len(found.patterns), MESSAGE_CHARS, ANSWER_BYTES)


def sample_of(record: LogRecordView | None) -> dict[str, Any]:
    """Return what of a sample is worth telling beside its pattern."""
    if record is None:
        return dict.fromkeys(("level", "component", "sample_id", "trace_id"))
    return {
        "level": record.level,
        "component": cut(record.component, MESSAGE_CHARS),
        "sample_id": record.id,
        "trace_id": None if record.trace_id is None else cut(record.trace_id, MESSAGE_CHARS),
    }


def _row(one: PatternCount, chars: int) -> dict[str, Any]:
    return {
        "n": one.n,
        "first": _moment(one.first_seen, one.seen_exactly),
        "last": _moment(one.last_seen, one.seen_exactly),
        "template": cut(one.template, chars),
        **sample_of(one.sample),
    }


def _moment(at: str, exactly: bool) -> str:
    """Shorten a time to the second, or to the hour where no more is known."""
    return f"{at[:19]}Z" if exactly else f"{at[:13]}hZ"
