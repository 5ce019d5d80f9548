from __future__ import annotations

import click
import pytest

from dewey_logs import LogRecordView, Trace, TraceRecord
from godot.cli.trace import _waterfall


def record(message: str, **data: object) -> LogRecordView:
    at = "2026-11-22T12:00:00.000000Z"
    return LogRecordView("id", at, "shop.payments", "WARN", message, "t", data)


def test_how_long_something_took_is_shown_where_its_message_has_no_room(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("godot.cli.trace.screen_width", lambda: 80)
    rows = (
        TraceRecord(record("begins", ms=0), 0.0, 0.0),
        TraceRecord(
            record("the bank answers slowly, as always", waited_ms=2_923), 3_000.0, 3_000.0
        ),
        TraceRecord(record("a message without a figure, but long enough"), 3_001.0, 1.0),
    )
    found = Trace(
        returned=3, truncated=False, matched=3, strategy="trace", took_ms=1.0, trace_id="t",
        rows=rows, started="", ended="", duration_ms=3_001.0, components=(), first_error=None,
    )  # fmt: skip
    lines = [click.unstyle(line) for line in _waterfall(found)]
    assert [line[54:] for line in lines] == [
        "begins",
        "the bank answer…  2,923 ms",
        "a message without a figur…",
    ]
    assert max(map(len, lines)) <= 80
