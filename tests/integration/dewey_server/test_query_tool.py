from __future__ import annotations

from tests.integration.dewey_server.traffic import log, put, rows


def test_a_page_tells_how_to_go_on_and_data_on_request(told):
    put(told, *(log(f"m{n}", ago_s=110 - n, data={"n": n}) for n in range(30)))
    first = told("dewey_query_logs", limit=20)
    assert (first["returned"], first["matched"], first["truncated"]) == (20, 30, True)
    assert first["common"].keys() >= {"level", "component", "data_keys"}
    rest = told("dewey_query_logs", cursor=first["next_cursor"], fields=["data.n", "age"])
    assert [row["data.n"] for row in rows(rest)] == list(range(9, -1, -1))
    assert all(row["age"][:2] in ("1m", "2m") for row in rows(rest))


def test_repeated_lines_are_counted(told):
    put(told, log("once", ago_s=99), *(log("again", ago_s=50 - n) for n in range(37)))
    again, once = rows(told("dewey_query_logs", limit=100))
    assert (again["message"], again["n"], once["message"], once["n"]) == ("again", 37, "once", None)


def test_nothing_found_says_what_there_is(told):
    assert told("dewey_query_logs")["hints"] == ["nothing is stored yet"]
    put(told, log("boom", component="payments", level="ERROR"))
    hints = told("dewey_query_logs", component="paymnets")["hints"]
    assert hints[0].startswith("the log reaches from 20")
    assert hints[1] == 'no component is called "paymnets"; the nearest is "payments"'
    assert hints[2] == "without component there are records that match"


def test_nothing_found_says_which_part_of_the_filter_leaves_nothing(told):
    put(told, log("boom", component="payments"))
    asked = {"component": "payments", "search": "boom", "level": "ERROR", "since": "1h"}
    (_, obstacle) = told("dewey_query_logs", **asked)["hints"]
    assert obstacle == "without level there are records that match"
    (_, obstacle) = told("dewey_query_logs", component="payments", since="30s")["hints"]
    assert obstacle == "without since and until there are records that match"
    asked = {"component": "payments", "contains": "boom", "since": "30s"}
    assert len(told("dewey_query_logs", **asked)["hints"]) == 1  # no longer stretch is read through
    (_, obstacle) = told("dewey_query_logs", filter="data.order>8000")["hints"]
    assert obstacle == "without filter there are records that match"


def test_a_name_out_of_the_log_cannot_be_hidden_in_a_hint(told):
    put(told, log("m", component="pay\u202ements"))
    hints = told("dewey_query_logs", component="payments")["hints"]
    assert hints[1].endswith('the nearest is "pay\\\\u202ements"')


def test_the_end_of_a_list_of_pages_gives_no_hints(told):
    put(told, *(log(f"m{n}", ago_s=n) for n in range(5)))
    page = told("dewey_query_logs", limit=5)
    assert not page["truncated"]
    assert "hints" not in page
