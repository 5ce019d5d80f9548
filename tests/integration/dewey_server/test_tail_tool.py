from __future__ import annotations

import json
import threading

import msgspec
import psycopg

from dewey_logs import LogFilter, arrivals
from tests.integration.dewey_server.traffic import log, put, rows


def test_what_arrives_is_told_once_in_whatever_order_it_was_logged(told):
    put(told, log("before"))
    start = told("dewey_tail", wait_ms=0)
    assert (start["returned"], start["truncated"]) == (0, False)
    put(told, log("young", ago_s=1), log("old", ago_s=30))
    first = told("dewey_tail", cursor=start["next_cursor"])
    assert [row["message"] for row in rows(first)] == ["old", "young"]
    put(told, log("late", ago_s=20))
    second = told("dewey_tail", cursor=first["next_cursor"])
    assert [row["message"] for row in rows(second)] == ["late"]
    nothing = told("dewey_tail", cursor=second["next_cursor"], wait_ms=0)
    assert nothing["returned"] == 0
    put(told, log("an hour late", ago_s=3_600), log("other", component="web", ago_s=1))
    last = told("dewey_tail", cursor=nothing["next_cursor"])
    assert [row["message"] for row in rows(last)] == ["other"]


def test_what_is_committed_after_a_look_that_could_not_see_it_is_not_passed_over(told, dewey_url):
    start = told("dewey_tail", wait_ms=0)
    with psycopg.connect(dewey_url) as slow:
        slow.execute(
            "INSERT INTO logs (id, created_at, component, level, message)"
            " VALUES (gen_random_uuid(), now(), 'slow', 'INFO', 'slow')"
        )
        put(told, log("quick", ago_s=0))
        first = told("dewey_tail", cursor=start["next_cursor"])
        assert [row["message"] for row in rows(first)] == ["quick"]
        slow.commit()
    second = told("dewey_tail", cursor=first["next_cursor"])
    assert [row["message"] for row in rows(second)] == ["slow"]


def test_a_list_longer_than_an_answer_is_read_to_its_end_before_what_came_meanwhile(told):
    start = told("dewey_tail", wait_ms=0, component="api")
    put(
        told, *(log(f"m{n:03}" + "x" * 250, ago_s=40 - n / 10, trace_id=str(n)) for n in range(100))
    )
    seen: list[str] = []
    cursor, calls = start["next_cursor"], 0
    while len(seen) < 102:
        found = told("dewey_tail", component="api", cursor=cursor, limit=70, wait_ms=0)
        assert len(json.dumps(found, separators=(",", ":"))) <= 16_000
        seen += [row["message"][:4] for row in rows(found)]
        cursor, calls = found["next_cursor"], calls + 1
        if calls == 1:
            assert found["truncated"]
            assert 10 < found["returned"] < 70
            put(told, log("old ", ago_s=45), log("young", ago_s=0))
    assert seen == [*(f"m{n:03}" for n in range(100)), "old ", "youn"]


def test_it_waits_for_the_first(told):
    start = told("dewey_tail", wait_ms=0, search="hello")
    later = threading.Timer(0.5, put, (told, log("hello"), log("bye")))
    later.start()
    found = told("dewey_tail", cursor=start["next_cursor"], search="hello", wait_ms=20_000)
    later.join()
    assert [row["message"] for row in rows(found)] == ["hello"]


def test_cursors_of_others_and_forged_ones_are_refused(told, refused):
    cursor = told("dewey_tail", wait_ms=0)["next_cursor"]
    assert "belongs to another filter" in refused("dewey_tail", cursor=cursor, level="ERROR")
    known = arrivals._read(LogFilter(), cursor)
    forged = ("1:1", "1:2:3:4", "x", "1:1:" + "9" * 20_000, "5:3:", "9" * 19 + ":1:")
    for snapshot in forged:
        damaged = arrivals._written(msgspec.structs.replace(known, known=snapshot))
        assert refused("dewey_tail", cursor=damaged)
    assert "cursor is damaged" in refused("dewey_tail", cursor="AAAA")
    assert "unknown argument 'since'" in refused("dewey_tail", since="1h")
