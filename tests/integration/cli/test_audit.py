"""The proof of the promise on real servers: exact losses, and never a false alarm."""

from __future__ import annotations

import json
import threading
import time

import msgspec
import psycopg
import pytest

from clientlib import Producer, record_id
from godot.audit import PASSED
from godot.delivery import Delivery
from tests.integration.worker.conftest import Bench, eventually

QUICK = {"GODOT_RECLAIM_IDLE_MS": "1000"}


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


@pytest.fixture
def settle(bench, working):
    """Let a worker store everything that is in the stream."""

    def work() -> None:
        with working():
            eventually(bench.settled, "everything settled")

    return work


@pytest.fixture
def audited(here):
    def run(*arguments: str, **variables: str):
        done = here("audit", "-o", "json", *arguments, **(QUICK | variables))
        return done.returncode, json.loads(done.stdout)

    return run


def age_ledger(bench: Bench) -> None:
    """Let the ledger be an hour old, so that nothing in it is settling any more."""
    bench.sql("UPDATE logs_ledger SET at = at - interval '1 hour' RETURNING 1")


def trimmed(bench: Bench, keep: int) -> None:
    bench.redis.xtrim(bench.settings.stream, maxlen=keep, approximate=False)


def test_an_untouched_system_is_clean(audited):
    code, found = audited()
    assert code == 0
    assert found["schema"] == "godot.audit/1"
    assert set(found) >= {"total", "producers", "ranges", "entries"}
    assert not any(found["total"].values())


def test_stored_and_waiting_records_are_accounted_for(audited, bench, settle):
    bench.append(bench.records(300))
    settle()
    bench.append(bench.records(40))
    code, found = audited("--deep")
    total = found["total"]
    assert (code, total["announced"]) == (0, 340)
    assert (total["stored"], total["in_stream"], total["lost"]) == (300, 40, 0)
    assert found["entries"]["added"] == 340
    assert found["deep"] == {
        "rows": 300, "foreign": 0, "unexplained": 0, "doubled": 0, "missing": 0, "complete": True
    }  # fmt: skip


def test_the_text_names_producers_ranges_and_the_sum(here, bench, settle):
    bench.append(bench.records(100))
    trimmed(bench, 90)
    settle()
    age_ledger(bench)
    done = here("audit", "-o", "text", **QUICK)
    assert done.returncode == 4
    text = done.stdout.decode()
    assert bench.producer.hex in text
    assert "lost: 10 of" in text
    assert "1 to 10 (trimmed unread)" in text
    assert "100 entries added = 90 settled + 0 waiting + 10 lost" in text
    plain = here("audit", "-o", "plain", **QUICK).stdout.decode().splitlines()
    assert [line.split("\t")[0] for line in plain] == [bench.producer.hex, "total"]


def test_an_overflow_with_no_worker_is_exact_before_and_after_the_drain(audited, bench, settle):
    bench.append(bench.records(3_000))
    trimmed(bench, 1_234)
    code, found = audited()
    assert (code, found["total"]["lost"], found["total"]["in_stream"]) == (4, 1_766, 1_234)
    settle()
    age_ledger(bench)
    code, found = audited("--deep")
    total = found["total"]
    assert (code, total["stored"], total["lost"], total["unaccounted"]) == (4, 1_234, 1_766, 0)
    assert [(r["first"], r["last"]) for r in found["ranges"]] == [(1, 1_766)]
    assert found["ranges"][0]["before"] is not None


def test_a_producer_trimmed_completely_is_known_by_its_announcement(
    audited, bench, settings, settle
):
    with Delivery(settings) as delivery:
        delivery.send([delivery.make("gone", "m") for _ in range(70)])
    bench.append(bench.records(200))
    trimmed(bench, 150)
    settle()
    age_ledger(bench)
    code, found = audited()
    by_component = {item["component"]: item["totals"]["lost"] for item in found["producers"]}
    assert by_component == {"gone": 70, None: 50}
    assert (code, found["total"]["lost"], found["total"]["unaccounted"]) == (4, 120, 0)


def test_while_records_flow_nothing_is_ever_called_lost(audited, settings, working):
    stop = threading.Event()
    permits = threading.Semaphore(0)  # an audit reads whatever waits: it must not be ever more

    def send() -> None:
        with Delivery(settings) as delivery:
            while permits.acquire() and not stop.wait(0.01):
                delivery.send([delivery.make("busy", f"m{i}") for i in range(20)])

    senders = [threading.Thread(target=send) for _ in range(2)]
    with working():
        for sender in senders:
            sender.start()
        try:
            for _ in range(20):
                permits.release(50)
                code, found = audited()
                assert (code, found["total"]["lost"], found["total"]["unaccounted"]) == (0, 0, 0)
        finally:
            stop.set()
            permits.release(len(senders))
            for sender in senders:
                sender.join(60)
    assert found["total"]["stored"] > 0


def test_what_was_deleted_by_hand_does_not_change_the_account_but_deep_sees_it(
    audited, bench, settle
):
    bench.append(bench.records(50))
    settle()
    bench.sql("DELETE FROM logs WHERE (data->>'i')::int < 7 RETURNING 1")
    assert audited()[0] == 0
    code, found = audited("--deep")
    assert (code, found["deep"]["missing"], found["deep"]["complete"]) == (4, 7, True)
    bench.sql("INSERT INTO logs_cleared (filter) VALUES ('{}') RETURNING 1")
    code, found = audited("--deep")
    assert (code, found["deep"]["missing"], found["deep"]["complete"]) == (0, 7, False)


def test_deep_finds_doubled_and_unexplained_rows(audited, bench, settle):
    bench.append(bench.records(10))
    settle()
    number = bench.producer.number
    for ms, sequence in ((1_700_000_000_000, 5), (1_700_000_000_000, 4_000_000_000)):
        bench.sql(
            "INSERT INTO logs (created_at, id, level, component, message) VALUES"
            f" (now(), '{record_id(ms, sequence, number)}', 'INFO', 'x', 'x') RETURNING 1"
        )
    bench.sql(
        "INSERT INTO logs (created_at, id, level, component, message)"
        " VALUES (now(), gen_random_uuid(), 'INFO', 'x', 'x') RETURNING 1"
    )
    code, found = audited("--deep")
    deep = found["deep"]
    assert (code, deep["rows"], deep["foreign"]) == (4, 12, 1)
    assert (deep["doubled"], deep["unexplained"], deep["missing"]) == (1, 1, 0)


def test_after_retention_the_account_is_the_same_and_deep_says_it_cannot_be_exact(
    here, audited, bench, settle
):
    bench.append(bench.records(20))
    settle()
    (oldest,) = bench.sql(
        "SELECT min(relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE inhparent = 'logs'::regclass"
    )
    with psycopg.connect(bench.settings.dewey_url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {oldest[0]}")
    code, found = audited("--deep")
    assert (code, found["total"]["stored"], found["deep"]["complete"]) == (0, 20, False)
    assert b"cannot be exact" in here("audit", "--deep", "-o", "text").stdout


def test_a_stream_made_again_costs_only_what_it_still_held(audited, bench, settle):
    bench.append(bench.records(100))
    settle()
    bench.redis.delete(bench.settings.stream)
    assert audited()[0] == 0
    bench.append(bench.records(30))
    assert audited()[0] == 0
    settle()
    assert audited()[0] == 0
    bench.append(bench.records(25))
    bench.redis.delete(bench.settings.stream)
    bench.append(bench.records(10))
    settle()
    age_ledger(bench)
    code, found = audited("--deep")
    total = found["total"]
    assert (code, total["stored"], total["lost"], total["unaccounted"]) == (4, 140, 25, 0)
    assert [(r["first"], r["last"]) for r in found["ranges"]] == [(131, 155)]


def test_foreign_entries_are_balanced_without_numbers(audited, bench, settle):
    for i in range(20):
        bench.add_raw(component="c", level="INFO", message=str(i))
    settle()
    code, found = audited("--deep")
    assert (code, found["entries"]["settled"], found["total"]["announced"]) == (0, 20, 0)
    assert found["deep"]["foreign"] == 20
    for i in range(5):
        bench.add_raw(component="c", level="INFO", message=str(i))
    trimmed(bench, 2)
    code, found = audited()
    assert (code, found["total"]["lost"], found["total"]["unaccounted"]) == (4, 3, 0)


def test_a_forged_id_is_implausible_and_no_loss(audited, bench, settle):
    bench.append(bench.records(10))
    forged = record_id(1_795_353_551_832, 2**36 - 1, bench.producer.number)
    bench.add_raw(id=forged, component="c", level="INFO", message="forged")
    settle()
    age_ledger(bench)
    code, found = audited()
    assert (code, found["total"]["stored"], found["total"]["lost"]) == (0, 11, 0)
    assert found["total"]["implausible"] == 2**36 - 12


def test_an_entry_that_a_stranger_acknowledged_is_unaccounted_and_can_be_stored_yet(
    audited, bench, settle, here
):
    bench.append(bench.records(5))
    settle()
    bench.append(bench.records(1))
    settings = bench.settings
    bench.redis.xreadgroup(settings.group, "stranger", {settings.stream: ">"})
    last = bench.redis.xinfo_stream(settings.stream)["last-generated-id"]
    bench.redis.xack(settings.stream, settings.group, last)
    code, found = audited()
    assert (code, found["total"]["unaccounted"]) == (4, 1)
    (named,) = found["ranges"]
    assert (named["first"], named["last"], named["cause"]) == (6, 6, PASSED)
    text = here("audit", "-o", "text", **QUICK).stdout.decode()
    assert "1 of the lost were passed over in the stream" in text
    assert "carried no number" not in text
    assert here("replay", "--since", "1h", "--yes").returncode == 0
    assert audited()[0] == 0


def test_duplicates_are_counted_and_lose_nothing(audited, bench, settle):
    records = bench.records(30)
    bench.append(records)
    bench.append(records[:10])
    settle()
    code, found = audited("--deep")
    assert (code, found["total"]["stored"], found["total"]["duplicates"]) == (0, 30, 10)
    assert found["entries"]["settled"] == 40


def test_numbers_that_a_producer_reports_as_dropped_are_no_loss(audited, bench, settle):
    records = bench.records(10)
    bench.append([*records[:3], *records[6:]])
    bench.add_raw(
        id=record_id(time.time_ns() // 1_000_000, 11, bench.producer.number),
        component="test",
        level="WARN",
        message="3 dropped",
        data='{"godot": {"dropped": 3, "ranges": [[4, 6]]}}',
    )
    settle()
    age_ledger(bench)
    code, found = audited("--deep")
    total = found["total"]
    assert (code, total["stored"], total["dropped"], total["lost"]) == (0, 8, 3, 0)
    assert total["announced"] == 11


def test_one_producer_or_the_active_ones_can_be_looked_at_alone(audited, bench, settle):
    bench.append(bench.records(10))
    settle()
    age_ledger(bench)
    old = bench.producer.hex
    bench.producer = Producer()
    bench.append(bench.records(5))
    settle()
    _, found = audited("--producer", old[:6])
    assert [item["producer"] for item in found["producers"]] == [old]
    assert found["total"]["stored"] == 10
    _, found = audited("--since", "30m", "--deep")
    assert [item["producer"] for item in found["producers"]] == [bench.producer.hex]
    assert (found["total"]["stored"], found["deep"]["rows"]) == (5, 5)
    _, found = audited("--since", "2h")
    assert found["total"]["stored"] == 15


def test_a_server_that_is_away_is_exit_code_3_and_a_wrong_time_is_2(here):
    away = "postgresql://nobody@127.0.0.1:1/none"
    for variables in ({"DEWEY_URL": away}, {"GODOT_REDIS_URL": "redis://127.0.0.1:1/0"}):
        done = here("audit", **variables)
        assert (done.returncode, done.stdout) == (3, b"")
    assert here("audit", "--since", "whenever").returncode == 2


def test_two_streams_in_one_database_are_audited_each_alone(
    bench, settle, audited, settings, working
):
    other = Bench(msgspec.structs.replace(settings, stream=f"{settings.stream}-other"))
    bench.append(bench.records(20))
    other.append(other.records(10))
    other.redis.xtrim(other.settings.stream, maxlen=6, approximate=False)
    settle()
    with working(other.settings):
        eventually(other.settled, "everything settled")
    age_ledger(bench)
    code, found = audited()
    assert (code, found["total"]["announced"], len(found["producers"])) == (0, 20, 1)
    code, found = audited(GODOT_STREAM=other.settings.stream)
    assert (code, found["total"]["lost"], found["total"]["unaccounted"]) == (4, 4, 0)
    assert found["total"]["stored"] == 6
    other.close()


def test_a_group_destroyed_after_the_stream_was_trimmed_bare_is_no_other_stream(
    bench, settle, audited
):
    bench.append(bench.records(30))
    settle()
    bench.append(bench.records(10))  # nobody works: no checkpoint knows of them
    bench.redis.xtrim(bench.settings.stream, maxlen=0, approximate=False)
    bench.redis.xgroup_destroy(bench.settings.stream, bench.settings.group)
    bench.append(bench.records(5))
    settle()
    age_ledger(bench)
    code, found = audited()
    assert (code, found["total"]["lost"], found["total"]["unaccounted"]) == (4, 10, 0)
    assert found["entries"]["added"] == 45


def test_losses_that_were_counted_stay_counted_when_the_stream_is_deleted(
    bench, working, audited, settle
):
    for _ in range(50):  # foreign ones: only the count of entries bears witness
        bench.add_raw(component="c", level="INFO", message="m")
    bench.redis.xtrim(bench.settings.stream, maxlen=10, approximate=False)
    settle()
    assert audited()[1]["entries"]["lost"] == 40
    bench.append(bench.records(30))  # settled after the last checkpoint of this life
    bench.sql("UPDATE logs_streams SET entries_added = 50, last_ms = last_ms RETURNING 1")
    settle()
    bench.sql(
        "UPDATE logs_streams SET entries_added = 50, (last_ms, last_seq) = ("
        " SELECT last_ms, last_seq FROM logs_ledger_entries ORDER BY first_ms, first_seq LIMIT 1)"
        " RETURNING 1"
    )
    bench.sql("UPDATE logs_ledger_entries SET added = NULL RETURNING 1")
    bench.redis.delete(bench.settings.stream)
    bench.append(bench.records(5))
    settle()
    age_ledger(bench)
    code, found = audited()
    assert (code, found["entries"]["lost"], found["total"]["unaccounted"]) == (4, 40, 0)
    assert found["entries"]["added"] == 85


def test_what_is_lost_but_not_yet_decided_is_no_clean_bill(bench, settle, here, audited):
    bench.append(bench.records(30))
    bench.redis.xtrim(bench.settings.stream, maxlen=10, approximate=False)
    settle()
    slow = {"GODOT_RECLAIM_IDLE_MS": "3600000"}
    code, found = audited(**slow)
    assert (code, found["total"]["lost"], found["total"]["settling"]) == (4, 20, 0)
    assert (found["undecided"], found["total"]["unaccounted"]) == (20, 0)
    code, found = audited("-p", f"{bench.producer.number:010x}", **slow)
    assert (code, found["total"]["settling"], found["undecided"]) == (4, 20, 20)
    said = here("audit", "-o", "text", **slow).stdout
    assert b"20 of the lost are among numbers that are settling" in said
    assert b"foreign" not in said
    age_ledger(bench)
    code, found = audited()
    assert (code, found["undecided"]) == (4, 0)
    assert [(r["first"], r["last"]) for r in found["ranges"]] == [(1, 20)]


def test_an_id_written_in_another_way_is_the_same_id(bench, settle, audited):
    producer = Producer()
    ids = [record_id(1_700_000_000_000 + n, n, producer.number) for n in (1, 2, 3)]
    ids[1] = ids[1].replace("-", "").upper()
    for key in ids:
        bench.add_raw(id=key, component="c", level="INFO", message="m")
    settle()
    age_ledger(bench)
    code, found = audited()
    assert (code, found["total"]["stored"], found["total"]["lost"]) == (0, 3, 0)


def test_a_producer_that_nobody_knows_is_an_error(bench, here, settle):
    bench.append(bench.records(1))
    settle()
    assert here("audit", "-p", "zz").returncode == 1
