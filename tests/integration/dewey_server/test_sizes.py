"""No answer is larger than it says, whatever is stored."""

from __future__ import annotations

import json
import uuid

from dewey_logs.tools.paging import ANSWER_BYTES
from tests.integration.dewey_server.traffic import log, put, rows

UNSEEN = "\U000e0041"  # written with ten characters
FIELDS = [f"data.f{n}" for n in range(20)]


def size(payload) -> int:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return len(text.replace("</", "<\\/").encode())


def test_the_worst_that_can_be_stored_fits_into_every_answer(told):
    trace = str(uuid.uuid4())
    names = {f"k{n}{UNSEEN * 60}": "x" * 300 for n in range(20)}
    objects = {f"f{n}": {f"key {i} {'x' * 50}": UNSEEN * 50 for i in range(20)} for n in range(20)}
    put(
        told,
        *(
            log(UNSEEN * 900, component=f"{n:02}{UNSEEN * 126}", trace_id=trace, data=names)
            for n in range(25)
        ),
        log("m", component="objects", trace_id=UNSEEN * 128, data=objects),
        log("</" * 30_000, component="tags", level="ERROR"),
    )
    for n in range(30):
        told("dewey_set_log_level", component=f"{n}{UNSEEN * 120}", level="DEBUG")
    an_id = rows(told("dewey_query_logs", limit=1, component="0*"))[0]["id"]
    calls: list[tuple[str, dict[str, object]]] = [
        ("dewey_query_logs", {"component": "0*"}),
        ("dewey_query_logs", {"component": "objects", "fields": FIELDS}),
        ("dewey_query_logs", {"component": "tags", "message_chars": 65_536}),
        ("dewey_trace", {"trace_id": trace}),
        ("dewey_context", {"id": an_id, "fields": ["data"]}),
        ("dewey_get_log_stats", {}),
        ("dewey_patterns", {}),
        ("dewey_compare", {}),
        ("dewey_facets", {"field": "component", "limit": 1000}),
        ("dewey_clear_logs", {"all": True}),
        ("dewey_set_log_level", {"component": "mine", "level": "DEBUG"}),
    ]
    for name, arguments in calls:
        payload = told(name, **arguments)
        assert size(payload) <= ANSWER_BYTES, name
    assert (payload["set"][0]["component"], payload["more"]) == ("mine", 11)
