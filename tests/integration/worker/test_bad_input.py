"""Anyone may XADD. Each kind of bad input has its outcome, and its neighbours have theirs."""

from __future__ import annotations

import json
import math
import time
import uuid

from tests.integration.worker.conftest import eventually


def test_every_kind_of_bad_input_ends_where_the_design_says(bench, working, settings):
    deep = "[" * 1_000 + "]" * 1_000
    good = {"component": "c", "level": "INFO", "message": "m"}
    rejected = {
        bench.add_raw(**{**good, "level": "LOUD"}): "LOUD",
        bench.add_raw(level="INFO", message="m"): "component",
        bench.add_raw(component="c", level="INFO"): "message",
        bench.add_raw(json="{broken"): "json",
        bench.add_raw(**good, data="{broken"): "data",
        bench.add_raw(**good, v="9"): "version",
    }
    bench.add_raw(component="c", level="INFO", message=b"x" * 10_000_000)
    bench.add_raw(component="c", level="INFO", message=b"nul \0 and \xff bytes")
    bench.add_raw(**good, data=f'{{"deep": {deep}}}')
    bench.add_raw(**good, data='{"nan": NaN, "nul": "a\\u0000b", "big": 123456789012345678901}')
    bench.add_raw(component="c", level="critical", message="alias")
    bench.add_raw(json=json.dumps({**good, "message": "whole", "data": {"a": 1}}))
    bench.append(bench.records(200))
    with working(settings):
        eventually(bench.settled, "everything settled")

    dead = dict(bench.sql("SELECT entry, reason FROM logs_rejected"))
    assert set(dead) == set(rejected)
    for entry, word in rejected.items():
        assert word in dead[entry]
    assert bench.stored() == 206

    def one(where: str) -> tuple:
        (found,) = bench.sql(f"SELECT message, level::text, data FROM logs WHERE {where}")
        return found

    message, _, data = one("length(message) > 1000")
    assert len(message.encode()) <= 65_536
    assert data["godot"]["truncated"] == {"message": 10_000_000}
    assert one("message LIKE 'nul%'")[0] == "nul � and � bytes"
    assert "godot" in one("data ? 'deep'")[2]
    assert one("data ? 'nan'")[2]["nul"] == "a�b"
    assert one("data ? 'nan'")[2]["nan"] == "NaN"
    assert one("data ? 'nan'")[2]["big"] == "123456789012345678901"
    assert one("message = 'alias'")[1:] == ("ERROR", {"godot": {"level": "CRITICAL"}})
    assert one("message = 'whole'")[2] == {"a": 1}


def test_the_audit_finds_the_numbers_that_the_worker_reads(bench, working, settings):
    good = {"component": "c", "level": "INFO", "message": "m"}
    ids = [dict(record.fields())[b"id"].decode() for record in bench.records(9)]
    bench.add_raw(**good, json=json.dumps({**good, "id": ids.pop()}))  # an id that is not read
    for form in ("{{{}}}", "urn:uuid:{}", "{}", " {} "):  # nor are the first two here
        bench.add_raw(**good, id=form.format(ids.pop()))
    bench.add_raw(**good, id=ids.pop().upper().replace("-", ""))
    bench.add_raw(**good, json="{", id=ids.pop())
    bench.add_raw(json=json.dumps({**good, "id": ids.pop()}))
    bench.add_raw(json=json.dumps({**good, "id": ids.pop(), "data": {"nan": math.nan}}))
    waiting = bench.audited().total
    with working(settings):
        eventually(bench.settled, "everything settled")
    found = bench.audited()
    assert bench.stored() == 9
    assert (found.total.stored, found.clean) == (waiting.in_stream, True)
    assert found.total.stored == 6


def test_a_dead_letter_keeps_names_that_stand_twice(bench, working, settings):
    sent = [b"level", b"LOUD", b"message", b"first", b"message", b"\xff", b"level", b"LOUDER"]
    bench.redis.execute_command("XADD", settings.stream, "*", *sent)
    with working(settings):
        eventually(bench.settled, "the entry")
    ((names, values),) = bench.sql("SELECT field_names, field_values FROM logs_rejected")
    assert (names, values) == (sent[::2], sent[1::2])


def test_a_time_outside_the_window_is_kept_beside_the_entrys_own(bench, working, settings):
    bench.add_raw(component="c", level="INFO", message="old", created_at="1999-12-31T23:59:59Z")
    bench.add_raw(component="c", level="INFO", message="nonsense", created_at="yesterday")
    with working(settings):
        eventually(bench.settled, "both settled")
    rows = bench.sql(
        "SELECT message, data->'godot'->>'created_at', now() - created_at < '1 min' FROM logs"
    )
    assert sorted(rows) == [
        ("nonsense", "yesterday", True),
        ("old", "1999-12-31T23:59:59Z", True),
    ]


def test_a_record_resent_without_a_readable_time_is_one_row(bench, working, settings):
    (ours,) = bench.records(1)
    good = {"component": "sh", "level": "INFO", "message": "once"}
    sent = [
        {**good, "id": str(uuid.uuid4())},
        {**good, "id": str(uuid.uuid4()), "created_at": "1764180000"},
        {**good, "id": str(uuid.uuid4()), "created_at": "yesterday"},
        {**good, "id": dict(ours.fields())[b"id"], "created_at": "yesterday"},
    ]
    in_ten_days = int((time.time() + 10 * 86_400) * 1000)
    with working(settings):
        for fields in sent:
            bench.add_raw(**fields)
        eventually(bench.settled, "the first copies")
        for fields in sent:
            bench.redis.xadd(settings.stream, fields, id=f"{in_ten_days}-*")
        eventually(bench.settled, "the second copies")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(4, 4)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_an_entry_of_a_time_beyond_all_years_holds_nobody_up_when_it_comes_again(
    bench, working, settings
):
    """XADD takes any id, and whoever had the batch died: it comes again with its neighbours."""
    bench.append(bench.records(5))
    far = "9300000000000000-0"
    fields = {"component": "c", "level": "INFO", "message": "far", "created_at": "today"}
    bench.redis.xadd(settings.stream, fields, id=far)
    bench.redis.xgroup_create(settings.stream, settings.group, "0")
    bench.redis.xreadgroup(settings.group, "dead", {settings.stream: ">"}, count=6)
    with working(settings) as worker:
        eventually(bench.settled, "everything settled")
        assert worker.ready()["store"]
    assert bench.stored() == 5
    assert bench.sql("SELECT entry, reason FROM logs_rejected") == [
        (far, "created_at is outside the years 1 to 9999")
    ]
    assert bench.audited().total.unaccounted == 0
