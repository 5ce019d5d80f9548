"""An error that nobody has classified: an outage, unless one record alone is its cause."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import msgspec
import psycopg
import pytest

from godot.settings import Settings
from godot.worker import aside, intake
from godot.worker.loop import Worker
from tests.integration.worker.conftest import Bench, eventually
from tests.proxy import Proxy

LATE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the auditor says no' USING ERRCODE = '22003'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs_pattern FOR EACH ROW
WHEN (NEW.template LIKE 'unwelcome%') EXECUTE FUNCTION refuse();
"""  # some row's fault, but told when all are in
TRIGGER = """
CREATE SEQUENCE tries;  -- which no rollback takes back
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('tries');
    RAISE EXCEPTION 'the auditor says no' USING ERRCODE = 'ZZ001';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse();
"""
SLOW = """
CREATE SEQUENCE tries;
CREATE SEQUENCE broken;  -- once it was called
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.message = 'slow' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
    IF (SELECT is_called FROM broken) THEN
        PERFORM nextval('tries');
        RAISE EXCEPTION 'the auditor is ill' USING ERRCODE = 'ZZ001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION refuse();
"""  # an outage, but one that nobody has classified
ONE = "NEW.message LIKE 'unwelcome%'"

Working = Callable[[Settings], AbstractContextManager[Worker]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "ROOM", 10)
    monkeypatch.setattr(aside, "RETRY_S", 0.05)
    monkeypatch.setattr(aside, "SLOWEST_RETRY_S", 0.05)
    monkeypatch.setattr(intake, "BLOCK_MS", 10)


def execute(bench: Bench, command: str) -> None:
    with psycopg.connect(bench.database, autocommit=True) as connection:
        connection.execute(command)


def refused(bench: Bench) -> list[tuple]:
    return bench.sql("SELECT reason, sqlstate, state FROM logs_rejected")


def tries(bench: Bench) -> int:
    return bench.sql("SELECT last_value FROM tries")[0][0]


def pending_of(bench: Bench) -> list[dict]:
    return bench.redis.xpending_range(bench.settings.stream, bench.settings.group, "-", "+", 10)


def stored_are(bench: Bench, number: int) -> bool:
    return bench.stored() == number


def unwelcome(bench: Bench) -> list:
    made = bench.records(1)
    return [msgspec.structs.replace(made[0], message="unwelcome here")]


@pytest.mark.parametrize(
    ("trigger", "sqlstate"), [(TRIGGER.format(when=ONE), "ZZ001"), (LATE, "22003")]
)
def test_the_one_record_it_is_about_becomes_a_dead_letter_once_others_were_stored(
    bench: Bench, settings: Settings, working: Working, trigger: str, sqlstate: str
):
    execute(bench, trigger)
    bench.append([*bench.records(500), *unwelcome(bench), *bench.records(499)])
    with working(settings):
        eventually(lambda: bench.stored() == 999, "the neighbours to be stored")
        more = 0
        while not refused(bench):
            bench.append(bench.records(1))
            more += 1
            eventually(partial(stored_are, bench, 999 + more), "the next record to be stored")
        eventually(bench.settled, "everything acknowledged")
    assert refused(bench) == [
        (
            "failed alone 3 times while other records were stored: the auditor says no",
            sqlstate,
            "open",
        )
    ]


def test_without_anything_else_stored_meanwhile_it_stays_pending(
    bench: Bench, settings: Settings, working: Working
):
    execute(bench, TRIGGER.format(when=ONE))
    bench.append(unwelcome(bench))
    with working(settings):
        eventually(lambda: tries(bench) > 15, "many a try")
        assert (bench.pending(), refused(bench), bench.stored()) == (1, [], 0)
        execute(bench, "DROP TRIGGER refuse ON logs")
        eventually(bench.settled, "the record to be stored")
    assert (bench.stored(), refused(bench)) == (1, [])


def test_when_it_is_about_everything_it_is_an_outage(
    bench: Bench, settings: Settings, working: Working
):
    execute(bench, TRIGGER.format(when="true"))
    bench.append(bench.records(30))
    divided = 29  # tries of more than one record
    with working(settings):
        eventually(lambda: tries(bench) > divided + aside.ROOM, "the room to be taken")
        bench.append(bench.records(30))
        assert (refused(bench), bench.stored()) == ([], 0)
        execute(bench, "DROP TRIGGER refuse ON logs")
        eventually(bench.settled, "everything to be stored")
    assert (bench.stored(), refused(bench)) == (60, [])


def test_what_a_batch_under_way_stored_before_is_no_evidence_against_a_record(
    bench: Bench, settings: Settings, working: Working
):
    small = msgspec.structs.replace(settings, batch_size=5, batch_max=5)
    execute(bench, SLOW)
    slow = [msgspec.structs.replace(record, message="slow") for record in bench.records(5)]
    with working(small):
        with psycopg.connect(settings.dewey_url or "", autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(1)")
            bench.append([*slow, *bench.records(5)])
            eventually(lambda: stored_are(bench, 5), "the second batch to be stored")
            execute(bench, "SELECT nextval('broken')")
        eventually(lambda: tries(bench) > 60, "many a try")
        assert (refused(bench), bench.pending()) == ([], 5)
        execute(bench, "SELECT setval('broken', 1, false)")
        eventually(bench.settled, "everything to be stored")
    assert (bench.stored(), refused(bench)) == (10, [])


def test_what_is_set_aside_is_kept_from_peers_and_given_back_at_the_end(
    bench: Bench, settings: Settings, working: Working
):
    execute(bench, TRIGGER.format(when=ONE))
    bench.append(unwelcome(bench))
    with working(settings):
        eventually(lambda: tries(bench) > 15, "many a try")
        with working(settings):
            eventually(lambda: tries(bench) > 60, "time enough for the peer's sweeps")
            assert [item["times_delivered"] for item in pending_of(bench)] == [1]
    assert bench.pending() == 1
    execute(bench, "DROP TRIGGER refuse ON logs")
    with working(settings):
        eventually(bench.settled, "the record to be stored")
    assert (bench.stored(), refused(bench)) == (1, [])


def test_more_of_them_than_there_is_room_for_hold_nobody_up_for_good(
    bench: Bench, settings: Settings, working: Working
):
    execute(bench, TRIGGER.format(when=ONE))
    made = bench.records(6 * aside.ROOM)
    bad = [
        msgspec.structs.replace(record, message="unwelcome") if n % 4 == 3 else record
        for n, record in enumerate(made)
    ]
    bench.append(bad)
    with working(settings) as worker:
        eventually(lambda: bench.stored() == 45, "the good ones")
        bench.append(bench.records(1))
        eventually(bench.settled, "everything settled")
        assert worker.ready()["store"]
    assert (bench.stored(), len(refused(bench))) == (46, 15)


def test_one_that_waits_does_not_make_the_worker_unready(
    bench: Bench, settings: Settings, working: Working
):
    execute(bench, TRIGGER.format(when=ONE))
    with working(settings) as worker:
        bench.append(unwelcome(bench))
        eventually(lambda: tries(bench) > 5, "the record to be set aside")
        eventually(lambda: worker.ready()["store"], "the worker to be ready")


def test_the_only_copy_survives_a_break_of_redis(
    bench: Bench, settings: Settings, working: Working, valkey_server
):
    execute(bench, TRIGGER.format(when=ONE))
    with Proxy(valkey_server.socket) as proxy:
        behind = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}/0")
        with working(behind) as worker:
            bench.append(unwelcome(bench))
            eventually(lambda: tries(bench) > 5, "the record to be set aside")
            bench.redis.xtrim(settings.stream, maxlen=0, approximate=False)

            def noticed() -> bool:
                proxy.cut()  # between two commands a new connection is made without a word
                return not worker.ready()["redis"]

            eventually(noticed, "the worker to notice")
            execute(bench, "DROP TRIGGER refuse ON logs")
            eventually(lambda: bench.stored() == 1, "the record to be stored from memory")
            eventually(bench.settled, "nothing pending")
