"""Tools that show how it came about: trace and context."""

from __future__ import annotations

import json
import uuid

from tests.integration.dewey_server.traffic import log, put, rows

TRACE = str(uuid.uuid4())


def story(**more):
    """One request through three components, in the middle of others' records."""
    return [
        log("received", ago_s=60.0, component="gateway", trace_id=TRACE, **more),
        log("charging", ago_s=59.9, component="pay", trace_id=TRACE),
        log("other", ago_s=59.5, component="web"),
        log(
            "declined",
            ago_s=57.9,
            component="pay",
            level="ERROR",
            trace_id=TRACE,
            data={"code": 51},
        ),
        log("answered 402", ago_s=57.8, component="gateway", trace_id=TRACE),
    ]


def test_a_trace_is_shown_from_its_first_record(told):
    put(told, *story())
    found = told("dewey_trace", trace_id=TRACE[:8], fields=["data.code"])
    assert (found["trace_id"], found["total"], found["returned"]) == (TRACE, 4, 4)
    assert found["components"] == ["gateway", "pay"]
    assert [row["message"] for row in rows(found)] == [
        "received",
        "charging",
        "declined",
        "answered 402",
    ]
    offsets = [row["ms"] for row in rows(found)]
    assert offsets[0] == 0
    assert 90 < offsets[1] < 1_000
    assert 1_500 < found["longest_gap_ms"] < 2_500
    assert found["first_error"]["message"] == "declined"
    assert found["first_error"]["ms"] == offsets[2]
    assert rows(found)[2]["data.code"] == 51
    assert (found["truncated"], found["next_cursor"]) == (False, None)


def test_a_trace_too_long_for_an_answer_goes_on_with_a_query(told):
    put(told, *(log(f"step {n}", ago_s=90 - n / 10, trace_id="order-7") for n in range(60)))
    found = told("dewey_trace", trace_id="order-7", max_bytes=2_000)
    assert found["truncated"]
    assert len(json.dumps(found, separators=(",", ":"))) <= 2_000
    assert "dewey_query_logs" in found["hints"][0]
    seen = [row["message"] for row in rows(found)]
    rest = told(
        "dewey_query_logs",
        trace_id="order-7",
        order="asc",
        cursor=found["next_cursor"],
        limit=100,
    )
    seen += [row["message"] for row in rows(rest)]
    assert seen == [f"step {n}" for n in range(60)]
    few = told("dewey_trace", trace_id="order-7", limit=5)
    assert (few["returned"], few["total"], few["truncated"]) == (5, 60, True)


def test_a_trace_that_does_not_exist_is_told_and_two_are_refused(told, refused):
    put(told, *(log("m", trace_id=f"4bf92f35-77b3-4da6-a3ce-92{n}d0e0e4736") for n in (1, 2)))
    found = told("dewey_trace", trace_id="none")
    assert (found["returned"], found["rows"]) == (0, [])
    assert "first 8 digits" in found["hints"][0]
    assert "beginning of several traces" in refused("dewey_trace", trace_id="4bf92f35")


def test_a_record_is_shown_in_full_with_what_is_around_it(told):
    records = story(data={"long": "x" * 3_000})
    put(told, *records)
    found = told("dewey_context", id=records[3]["id"], before=2, after=1)
    assert found["record"]["data"] == {"code": 51}
    assert found["record"]["message"] == "declined"
    assert [row["message"] for row in rows(found["before"])] == ["charging", "other"]
    assert all(row["ms"] < 0 for row in rows(found["before"]))
    assert [row["message"] for row in rows(found["after"])] == ["answered 402"]
    assert rows(found["after"])[0]["ms"] > 0
    assert (found["returned"], found["truncated"]) == (4, True)
    same = told("dewey_context", id=records[3]["id"], same="trace", fields=["data.long"])
    assert [row["message"] for row in rows(same["before"])] == ["received", "charging"]
    assert rows(same["before"])[0]["data.long"].endswith("[300 of 3000 characters]")
    assert not same["truncated"]
    whole = told("dewey_context", id=records[0]["id"], before=0, after=0)
    assert whole["record"]["data"] == records[0]["data"]


def test_a_context_fits_by_leaving_out_what_is_farthest(told):
    records = [log(f"m{n:03}", ago_s=90 - n / 10) for n in range(100)]
    put(told, *records)
    found = told("dewey_context", id=records[50]["id"], before=50, after=50, max_bytes=2_000)
    assert len(json.dumps(found, separators=(",", ":"))) <= 2_000
    assert found["truncated"]
    before, after = rows(found["before"]), rows(found["after"])
    assert (before[-1]["message"], after[0]["message"]) == ("m049", "m051")
    assert len(after) > len(before) > 1


def test_a_record_larger_than_an_answer_is_shown_cut(told):
    large = log("ж" * 30_000, data={"stack": "y" * 60_000})
    put(told, large, log("next"))
    found = told("dewey_context", id=large["id"], message_chars=60_000)
    assert found["record"]["message"].endswith(" of 30000 characters]")
    assert found["record"]["data"]["cut"].endswith("bytes")
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 16_500


def test_a_record_that_does_not_exist_is_told(told, refused):
    found = told("dewey_context", id=str(uuid.uuid4()))
    assert found["record"] is None
    assert "dewey_query_logs" in found["hints"][0]
    assert "no record's id" in refused("dewey_context", id="7")
    assert "created_at='soon' is no time" in refused(
        "dewey_context", id=str(uuid.uuid4()), created_at="soon"
    )
    assert "before: " in refused("dewey_context", id=str(uuid.uuid4()), before=501)
