"""Measuring the configured servers, and leaving them as they were."""

from __future__ import annotations

import json

import psycopg
import pytest
import redis

from dewey_logs import DeweyError
from godot.bench import Trial

ARGUMENTS = ("bench", "--records", "1000", "--yes", "-o", "json")


@pytest.fixture
def left(settings):
    """Return what is left of a measurement: entries' keys, records, and records by the counts."""

    def look():
        client = redis.Redis.from_url(settings.redis_url)
        keys = client.keys(f"{settings.stream}:bench-*")
        client.close()
        with psycopg.connect(settings.dewey_url) as connection:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM logs WHERE component LIKE 'bench-%'),"
                " (SELECT coalesce(sum(n), 0) FROM logs_rollup WHERE component LIKE 'bench-%')"
            ).fetchone()
        assert found is not None
        return len(keys), *map(int, found)

    return look


def test_everything_is_measured_and_removed_and_the_log_tells_of_it(here, left):
    done = here(*ARGUMENTS)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    figures = {one["what"]: one for one in document["items"]}
    assert document["done"] is True
    assert len(figures) == 10
    assert figures["append, one by one"]["times"] == 200
    assert figures["append, 100 at a time"]["times"] == 8
    assert figures["store, 100 at a time"]["times"] == 5
    assert figures["store a backlog, 1,000 at a time"]["times"] == 1
    assert figures["find a trace"]["times"] == 20
    assert all(0 < one["p50_ms"] <= one["p99_ms"] for one in figures.values())
    assert all(one["per_s"] > 0 for one in figures.values())
    assert left() == (0, 0, 0)
    told = json.loads(here("query", "-c", "dewey", "-o", "json").stdout)["items"]
    assert [record["message"] for record in told] == ["cleared 1,000 records"]
    assert told[0]["data"]["filter"] == {"component": [document["component"]]}
    assert here("audit").returncode == 0


def test_every_question_finds_what_it_asks_for(here, monkeypatch):
    found = []
    questions = Trial._questions

    def kept(trial):
        def keeping(question):
            def asking(n):
                found.append((n, question(n)))
                return found[-1][1]

            return asking

        return {what: keeping(question) for what, question in questions(trial).items()}

    monkeypatch.setattr(Trial, "_questions", kept)
    assert here(*ARGUMENTS).returncode == 0
    newest, component, word, trace, counts = (found[at : at + 20] for at in range(0, 100, 20))
    assert {answer.matched for _, answer in newest + component} == {1_000}
    assert [[row.data["order"] for row in answer.rows] for _, answer in word] == [
        [n] for n in range(20)
    ]
    assert [answer.rows[0].record.data["order"] for _, answer in trace] == [*range(0, 200, 10)]
    assert {answer.matched for _, answer in counts} == {1_000}


@pytest.mark.parametrize(("cause", "code"), [(DeweyError("no"), 1), (KeyboardInterrupt(), 130)])
def test_however_it_ends_nothing_stays(here, left, monkeypatch, cause, code):
    def fail(trial, advance):
        assert left() == (1, 1_000, 1_000)
        raise cause

    monkeypatch.setattr(Trial, "_found", fail)
    done = here(*ARGUMENTS)
    assert (done.returncode, done.stdout) == (code, b"")
    assert left() == (0, 0, 0)


def test_what_could_not_be_removed_is_said_with_the_command_that_does(here, environment, left):
    done = here(*ARGUMENTS, DEWEY_OWNER_URL=environment["DEWEY_READER_URL"])
    assert done.returncode == 1
    component = json.loads(done.stdout)["component"]
    assert f"godot clear -c {component} --yes" in done.stderr.decode()
    assert left() == (0, 1_000, 1_000)
    assert here("clear", "-c", component, "--yes").returncode == 0
    assert left() == (0, 0, 0)
