from __future__ import annotations

import json
import time

import pytest

from godot.delivery import Delivery
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from tests.integration.worker.conftest import Bench


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


@pytest.fixture
def dead_worker(settings):
    """A consumer that takes entries and is never heard of again."""
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "dead:1:x")
    consumer.ensure_group()
    yield consumer
    close(client)


def test_nothing_pending_is_no_error(here):
    done = here("pending", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["items"] == []


def test_pending_entries_show_owner_age_and_deliveries(here, bench, dead_worker, monkeypatch):
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)  # ages are by the server's clock
    bench.append(bench.records(5))
    ids = [str(entry.id) for entry in dead_worker.read_new(3, None)]
    done = here("pending", "-o", "json", "--payload")
    found = json.loads(done.stdout)
    assert [item["id"] for item in found["items"]] == ids
    assert (found["matched"], found["truncated"]) == (3, False)
    first = found["items"][0]
    assert (first["consumer"], first["deliveries"]) == ("dead:1:x", 1)
    assert 0 <= first["age_ms"] < 3_600_000
    assert first["idle_ms"] >= 0
    assert first["payload"] == "INFO test message 0"
    assert b"3 pending" in done.stderr


def test_a_bounded_list_says_so_and_filters_narrow_it(here, bench, dead_worker):
    bench.append(bench.records(7))
    taken = dead_worker.read_new(7, None)
    done = here("pending", "-n", "2", "-o", "plain")
    assert len(done.stdout.splitlines()) == 2
    assert b"showing 2 of 7" in done.stderr
    dead_worker.release([taken[0].id], 60_000, 3)
    done = here("pending", "--min-deliveries", "3", "-o", "plain")
    assert [line.split(b"\t")[0].decode() for line in done.stdout.splitlines()] == [
        str(taken[0].id)
    ]
    assert here("pending", "--min-idle", "1h", "-o", "plain").stdout == b""


def test_a_payload_that_was_trimmed_is_named_and_log_text_cannot_steer_the_terminal(
    here, bench, dead_worker
):
    gone = bench.add_raw(component="c", level="INFO", message="x")
    bench.add_raw(component="c", level="INFO", message="\x1b[2Jbad\nline")
    dead_worker.read_new(2, None)
    bench.redis.xdel(bench.settings.stream, gone)
    done = here("pending", "--payload", "-o", "text")
    assert b"(gone: trimmed from the stream)" in done.stdout
    assert b"\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 3
    assert b"1 without payload" in done.stderr


def test_a_duration_nobody_can_read_is_a_usage_error(here):
    for text in ("soon", "1M", "9" * 400):
        done = here("pending", "--min-idle", text)
        assert done.returncode == 2
        assert b"write 30s, 5m, 1h30m or 2d" in done.stderr


def test_producers_show_what_they_sent_and_what_became_of_it(here, settings, working, stored):
    with Delivery(settings) as one, Delivery(settings) as other:
        one.send([one.make("api", f"m{i}") for i in range(30)])
        with working():
            stored(30)
        other.send([other.make("web", f"m{i}") for i in range(4)])
        done = here("producers", "-o", "json")
    assert done.returncode == 0
    rows = {row["component"]: row for row in json.loads(done.stdout)["items"]}
    assert rows["api"]["producer"] == one.producer.hex
    kinds = ("sent", "stored", "waiting", "dropped", "lost")
    assert [rows["api"][kind] for kind in kinds] == [30, 30, 0, 0, 0]
    assert [rows["web"][kind] for kind in kinds] == [4, 0, 4, 0, 0]
    assert rows["web"]["host"]


def test_producers_that_only_the_ledger_knows_are_counted_and_shown_on_demand(
    here, bench, working, stored
):
    bench.append(bench.records(3))
    with working():
        stored(3)
    done = here("producers", "-o", "plain")
    assert done.stdout == b""
    assert b"1 more are known from the ledger only" in done.stderr
    row = here("producers", "--all", "-o", "plain").stdout.decode().rstrip("\n").split("\t")
    assert row[0] == bench.producer.hex
    assert row[6:8] == ["3", "3"]


def test_without_the_store_producers_still_say_what_they_sent(here, settings):
    with Delivery(settings) as delivery:
        delivery.send([delivery.make("api", "m")])
        done = here("producers", "-o", "json", DEWEY_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 3
    (row,) = json.loads(done.stdout)["items"]
    assert (row["sent"], row["stored"], row["lost"]) == (1, None, None)


def test_streams_show_what_is_not_settled_and_what_else_redis_has(here, bench, settings):
    bench.append(bench.records(5))
    other = f"{settings.stream}-other"
    bench.redis.xadd(other, {"a": "b"})
    (row,) = json.loads(here("streams", "-o", "json").stdout)["items"]
    assert (row["stream"], row["entries"], row["backlog"], row["added"]) == (
        *(settings.stream, 5, 5, 5),
    )
    assert row["added_per_s"] == 0
    assert row["bytes"] > 0
    everything = json.loads(here("streams", "--all", "-o", "json").stdout)["items"]
    assert {settings.stream, other} <= {item["stream"] for item in everything}
    bench.redis.delete(other)
    done = here("streams", other)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nothing was sent yet to" in done.stderr


def test_groups_show_how_each_does_and_unknown_names_are_refused(here, bench, dead_worker):
    bench.append(bench.records(3))
    dead_worker.read_new(2, None)
    bench.redis.xgroup_create(bench.settings.stream, "archive", id="0")
    rows = {row["group"]: row for row in json.loads(here("groups", "-o", "json").stdout)["items"]}
    assert (rows["dewey"]["state"], rows["archive"]["state"]) == ("ok", "no-consumer")
    assert [row["group"] for row in rows.values() if row["ours"]] == ["dewey"]
    assert (rows["dewey"]["undelivered"], rows["dewey"]["pending"]) == (1, 2)
    assert (rows["dewey"]["consumers"], rows["dewey"]["active"]) == (1, 1)
    screen = here("groups", "archive", "-o", "text").stdout.decode().splitlines()
    assert len(screen) == 2
    done = here("groups", "nobody")
    assert done.returncode == 1
    assert b"GD-3003 " in done.stderr


def test_what_is_no_stream_and_who_may_not_log_in_is_told_apart_from_an_outage(here, bench):
    other = f"{bench.settings.stream}:list"
    bench.redis.lpush(other, "x")
    for command in ("groups", "streams", "tail", "pending", "peek"):
        done = here(command, GODOT_STREAM=other)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"and is no stream \xe2\x80\x94 correct GODOT_STREAM" in done.stderr
    bench.redis.delete(other)
    stranger = bench.settings.redis_url.replace("://", "://nobody:wrong@")
    done = here("groups", GODOT_REDIS_URL=stranger)
    assert done.returncode == 3
    assert b"\xe2\x80\x94 correct the login in GODOT_REDIS_URL" in done.stderr


def test_what_redis_lost_count_of_is_a_question_mark_and_null(here, bench, dead_worker):
    bench.append(bench.records(3))
    last = bench.redis.xrange(bench.settings.stream)[1][0].decode()
    bench.redis.xgroup_setid(bench.settings.stream, "dewey", last, entries_read=None)
    (row,) = json.loads(here("groups", "-o", "json").stdout)["items"]
    done = here("groups", "-o", "text")
    if row["undelivered"] is None:  # a server that guesses right need not say so
        assert "?" in done.stdout.decode()
        assert b"? = Redis cannot tell" in done.stderr
    else:
        assert row["undelivered"] == 1


def test_what_was_deleted_unread_makes_the_count_unknown_and_no_phantom(here, bench, dead_worker):
    bench.append(bench.records(10))
    dead_worker.acknowledge([entry.id for entry in dead_worker.read_new(5, None)])
    ids = [entry for entry, _ in bench.redis.xrange(bench.settings.stream)]
    bench.redis.xdel(bench.settings.stream, *ids[6:8])
    (row,) = json.loads(here("groups", "-o", "json").stdout)["items"]
    assert row["undelivered"] is None  # three wait, and entries-read says five
    assert row["waiting_ms"] > 0
    (stream,) = json.loads(here("streams", "-o", "json").stdout)["items"]
    assert stream["backlog"] == 5  # at most
    assert len(dead_worker.read_new(10, None)) == 3
    (row,) = json.loads(here("groups", "-o", "json").stdout)["items"]
    assert row["undelivered"] == 0


def test_consumers_are_listed_and_the_abandoned_ones_pruned(here, bench, dead_worker):
    bench.append(bench.records(1))
    dead_worker.read_new(1, None)
    for name in ("idle:1:a", "idle:1:b"):
        bench.redis.xgroup_createconsumer(bench.settings.stream, "dewey", name)
    rows = json.loads(here("consumers", "-o", "json").stdout)["items"]
    assert {row["consumer"]: row["pending"] for row in rows} == {
        "dead:1:x": 1, "idle:1:a": 0, "idle:1:b": 0
    }  # fmt: skip
    plan = here("consumers", "prune", "--idle", "0", "-o", "json")
    assert plan.returncode == 5
    assert json.loads(plan.stdout) | {"done": False, "consumers": 2} == json.loads(plan.stdout)
    done = here("consumers", "prune", "--idle", "0", "--yes", "-o", "json")
    assert json.loads(done.stdout)["deleted"] == 2
    (left,) = json.loads(here("consumers", "-o", "json").stdout)["items"]
    assert left["consumer"] == "dead:1:x"  # it holds an entry
    assert here("consumers", "prune", "--yes").returncode == 0


def test_peek_shows_entries_where_they_are_and_why_one_would_be_refused(here, bench, dead_worker):
    bench.append(bench.records(2))
    odd = bench.add_raw(component="c", level="loud", message="\x1b[2J", blob=b"\xff")
    first = dead_worker.read_new(2, None)
    dead_worker.acknowledge([first[0].id])
    rows = json.loads(here("peek", "-o", "json").stdout)["items"]
    assert [row["place"] for row in rows] == ["settled", "pending", "undelivered"]
    assert [row["refused"] is None for row in rows] == [True, True, False]
    assert ["blob", {"base64": "/w=="}] in rows[2]["fields"]
    done = here("peek", "--undelivered", "--raw", "-o", "text")
    assert b"\x1b" not in done.stdout
    assert b"    level = loud\n" in done.stdout
    assert b"    refused: " in done.stdout
    assert here("peek", "-n", "2", "-o", "plain").stdout.count(b"\n") == 2
    for limit, cut in (("2", True), ("4", False)):
        done = here("peek", "-n", limit, "-o", "json")
        assert json.loads(done.stdout)["truncated"] is cut
    assert len(here("peek", odd, "-o", "jsonl").stdout.splitlines()) == 1
    gone = here("peek", "1-1", odd, "-o", "jsonl")
    assert gone.returncode == 1
    assert b"GD-3001" in gone.stderr


def test_a_producer_has_one_form_and_is_found_by_its_decimal_number_too(here, settings):
    with Delivery(settings) as one:
        one.send([one.make("api", "m")])
        shown = json.loads(here("status", "-o", "json").stdout)["producers"][0]["producer"]
        assert shown == one.producer.hex
        for text in (one.producer.hex, one.producer.hex[:6].upper(), str(one.producer.number)):
            done = here("audit", "--producer", text, "-o", "json")
            assert [p["producer"] for p in json.loads(done.stdout)["producers"]] == [shown]
        assert here("audit", "--producer", "zz").returncode == 1
