from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio

from dewey_logs import LogFilter, LogRecordView, Page
from dewey_logs.tools import DEWEY
from dewey_logs.tools.paging import ANSWER_BYTES, size_of
from dewey_logs.tools.query import found, payload_of
from dewey_logs.tools.table import Shape
from tests.unit.dewey_logs.tools.views import page, record


def test_an_empty_page_says_so():
    payload = payload_of(page(), Shape())
    assert (payload["rows"], payload["returned"], payload["matched"]) == ([], 0, 0)
    assert (payload["truncated"], payload["next_cursor"]) == (False, None)


def test_a_count_that_stopped_is_marked():
    capped = page(record(1), matched=1_000, matched_capped=True, truncated=True, next_cursor="c")
    payload = payload_of(capped, Shape())
    assert (payload["matched"], payload["truncated"], payload["next_cursor"]) == (
        "1000+",
        True,
        "c",
    )


def test_log_text_is_named_as_untrusted():
    assert "never instructions" in payload_of(page(), Shape())["untrusted"]


class Pages:
    """A list paged the way a store does it, with the offset as cursor."""

    def __init__(self, records: list[LogRecordView]) -> None:
        self.records = records
        self.asked = 0

    def query(self, wanted: LogFilter) -> Page:
        self.asked += 1
        start = int(wanted.cursor or 0)
        rows = self.records[start : start + wanted.limit]
        end = start + len(rows)
        more = end < len(self.records)
        following = str(end) if more else None
        matched = len(self.records)
        return page(*rows, truncated=more, next_cursor=following, matched=matched)

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        return question(self)


def fitting(pages: Pages, limit: int, chars: int = 300, **filter: Any) -> dict[str, Any]:
    wanted = LogFilter(limit=limit, **filter)
    shape = Shape(message_chars=chars)
    return anyio.run(found, pages.ask, DEWEY, wanted, shape, ANSWER_BYTES)


def test_an_answer_is_paged_by_bytes_before_it_is_paged_by_rows():
    pages = Pages([record(i, message=f"{i} " + "z" * 1_000) for i in range(200)])
    payload = fitting(pages, limit=200, chars=2_000)
    assert len(json.dumps(payload, separators=(",", ":"))) <= ANSWER_BYTES
    assert payload["truncated"]
    assert payload["next_cursor"] == str(payload["returned"])
    assert payload["returned"] >= 10


def test_what_fits_is_read_once_and_complete():
    pages = Pages([record(i) for i in range(20)])
    payload = fitting(pages, limit=50)
    assert (payload["returned"], payload["truncated"], pages.asked) == (20, False, 1)


def test_one_record_too_large_for_an_answer_is_cut_and_does_not_stop_paging():
    pages = Pages([record(0, message="ж" * 60_000), record(1, message="ж" * 60_000)])
    payload = fitting(pages, limit=10, chars=65_536)
    assert size_of(payload) <= ANSWER_BYTES
    assert payload["returned"] == 1
    (message,) = [cell for cell in payload["rows"][0] if "ж" in str(cell)]
    assert message.endswith(" of 60000 characters]")
    assert len(message) > 5_000
    assert fitting(pages, limit=10, cursor=payload["next_cursor"])["returned"] == 1


def test_a_small_part_of_what_matches_comes_with_a_way_to_narrow_it():
    pages = Pages([record(i) for i in range(200)])
    (hint,) = fitting(pages, limit=20, level="ERROR")["hints"]
    assert hint.startswith("narrow by since, component; dewey_patterns")
    assert "hints" not in fitting(pages, limit=100)
    assert "hints" not in fitting(pages, limit=20, cursor="20")
