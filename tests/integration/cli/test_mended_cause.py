"""A row that PostgreSQL refuses, from its dead letter to its place after the cause is mended."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from dewey_logs import Batch, Reject, Source, open_store
from dewey_logs.partitions import drop_expired
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


def document(done):
    return json.loads(done.stdout)


@pytest.fixture
def refused(bench, working):
    """Sixty records of which a rule of the database refuses three; the rule is then dropped."""
    bench.change(
        "ALTER TABLE logs ADD CONSTRAINT no_sevens CHECK (message !~ '^message [0-9]?7$' OR"
        " component <> 'test') NOT VALID"
    )
    bench.append(bench.records(30))
    with working():
        eventually(bench.settled, "everything settled")


@pytest.mark.usefixtures("refused")
def test_a_refused_row_has_a_reason_for_people_and_every_raw_byte(here, bench):
    items = document(here("dlq", "ls", "-o", "json"))["items"]
    assert len(items) == 3
    for item in items:
        shown = document(here("dlq", "show", item["id"], "-o", "json"))
        ((_, sent),) = bench.redis.xrange(bench.settings.stream, item["entry"], item["entry"])
        day = sent[b"created_at"][:10].decode().replace("-", "")
        assert item["reason"] == (
            f'new row for relation "logs_{day}" violates check constraint "no_sevens"'
        )
        assert [[n.encode(), v.encode()] for n, v in shown["fields"]] == [
            [name, value] for name, value in sent.items()
        ]


@pytest.mark.usefixtures("refused")
def test_a_retry_after_the_cause_is_mended_moves_the_numbers(here, bench):
    total = document(here("audit", "-o", "json", "--deep"))["total"]
    assert (total["stored"], total["rejected"], total["lost"]) == (27, 3, 0)
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["failed"]) == (4, 3)
    bench.change("ALTER TABLE logs DROP CONSTRAINT no_sevens")
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["stored"]) == (0, 3)
    done = here("audit", "-o", "json", "--deep")
    total = document(done)["total"]
    assert (done.returncode, total["stored"], total["rejected"]) == (0, 30, 0)
    assert (total["announced"], total["lost"], total["unaccounted"]) == (30, 0, 0)
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(30, 30)]


@pytest.mark.usefixtures("refused")
def test_dropping_one_and_retrying_the_rest_keeps_the_account(here, bench):
    bench.change("ALTER TABLE logs DROP CONSTRAINT no_sevens")
    first, *rest = [item["id"] for item in document(here("dlq", "ls", "-o", "json"))["items"]]
    assert here("dlq", "drop", first, "--yes").returncode == 0
    assert document(here("dlq", "retry", "--all", "--yes", "-o", "json"))["stored"] == len(rest)
    done = here("audit", "-o", "json", "--deep")
    total = document(done)["total"]
    assert (done.returncode, total["stored"], total["rejected"]) == (0, 29, 1)
    # a replay finds it once more: the rule is gone, so it is stored now and rejected no longer
    assert document(here("replay", "--from", "0", "--yes", "-o", "json"))["stored"] == 1
    done = here("audit", "-o", "json", "--deep")
    total = document(done)["total"]
    assert (done.returncode, total["stored"], total["rejected"]) == (0, 30, 0)


def test_letters_of_a_wrong_stream_clock_can_be_retried_once_their_own_time_counts(here, bench):
    records = bench.records(3)
    in_forty_days = f"{int((datetime.now(UTC) + timedelta(days=40)).timestamp() * 1000)}-0"
    letters = [
        Reject(
            uuid.UUID(dict(record.fields())[b"id"].decode()).bytes,
            "created_at is too far from now: no partition is made there",
            Source(in_forty_days, tuple(chain.from_iterable(record.fields()))),
        )
        for record in records
    ]
    with open_store(bench.settings.dewey_url) as store:
        store.write(Batch(stream=bench.settings.stream, rejects=tuple(letters)))
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["stored"], document(done)["failed"]) == (0, 3, 0)
    recent = "SELECT count(*) FROM logs WHERE now() - created_at < '1 hour' AND NOT data ? 'godot'"
    assert bench.sql(recent) == [(3,)]


def test_retention_and_a_clear_in_the_middle_of_the_numbers_change_nothing(here, bench, working):
    old = datetime.now(UTC) - timedelta(days=5)
    for record in bench.records(40, created_at=old):
        bench.redis.xadd(
            bench.settings.stream,
            dict(record.fields()),
            id=f"{int(old.timestamp() * 1000)}-*",
        )
    bench.append(bench.records(60))
    with working():
        eventually(bench.settled, "everything settled")
    before = document(here("audit", "-o", "json"))
    assert (before["total"]["stored"], before["clean"]) == (100, True)
    assert drop_expired(bench.settings.dewey_url, 3) != []
    assert bench.stored() == 60
    assert document(here("audit", "-o", "json"))["total"] == before["total"]
    bench.sql(
        """INSERT INTO logs_cleared (filter) VALUES ('{"search": "message 3"}') RETURNING 1"""
    )
    bench.sql("DELETE FROM logs WHERE message = 'message 3' RETURNING 1")
    assert document(here("audit", "-o", "json", "--deep"))["total"] == before["total"]
    said = document(here("replay", "--from", "0", "--yes", "-o", "json", LOG_RETENTION_DAYS="3"))
    assert (said["stored"], said["expired"]) == (0, 40)
    done = here("audit", "-o", "json", "--deep")
    after = document(done)["total"]
    assert (done.returncode, after["stored"], after["unaccounted"]) == (0, 100, 0)
