"""What was not looked at in time is told, and never passes for what is not there."""

from __future__ import annotations

import anyio

from dewey_logs.answers import (
    Bucket,
    Facets,
    FacetValue,
    Histogram,
    LevelCounts,
)
from dewey_logs.tools import ANSWER_BYTES, DEWEY
from dewey_logs.tools.stats import _of_histogram
from dewey_logs.tools.table import Shape
from dewey_logs.tools.trace import told
from tests.unit.dewey_logs.tools.views import a_trace, record


def test_a_trace_that_was_not_searched_for_its_error_does_not_look_like_one_without():
    for scan_incomplete in (True, False):
        trace = a_trace(record(1, level="INFO"), scan_incomplete=scan_incomplete)
        payload = anyio.run(told, trace, DEWEY, Shape(), ANSWER_BYTES)
        assert payload["first_error"] is None
        hints = [hint for hint in payload.get("hints", ()) if "level=ERROR" in hint]
        assert len(hints) == scan_incomplete


def test_components_that_were_not_all_counted_are_those_of_the_newest():
    counts = LevelCounts(info=9)
    histogram = Histogram(
        returned=1,
        truncated=False,
        matched=9,
        strategy="count",
        took_ms=1.0,
        since=None,
        until=None,
        interval_s=60,
        buckets=(Bucket("2026-11-22T13:00:00.000000Z", counts),),
    )
    for reached in (None, "2026-11-22T13:00:00.000000Z"):
        facets = Facets(
            returned=1,
            truncated=False,
            matched=4,
            matched_capped=reached is not None,
            scan_incomplete=reached is not None,
            reached=reached,
            strategy="newest",
            took_ms=1.0,
            field="component",
            values=(FacetValue("api", 4),),
            distinct=1,
            missing=0,
            sampled=False,
        )
        assert _of_histogram(histogram, facets).get("components_of_newest") == (reached and 4)
