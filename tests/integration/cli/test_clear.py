"""Clearing by hand: nothing without --yes, nothing back afterwards, and the account still right."""

from __future__ import annotations

import json

import psycopg
import pytest

from dewey_logs.maintenance import verify
from tests.integration.worker.conftest import Bench

AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


@pytest.fixture
def noisy(bench, working, stored):
    """Ten records that matter, and five that do not."""
    bench.append(bench.records(10))
    for i in range(5):
        bench.add_raw(component="noise.x", level="DEBUG", message=f"chatter {i}")
    with working():
        stored(15)


def document(done):
    return json.loads(done.stdout)


@pytest.mark.usefixtures("noisy")
def test_clear_shows_what_would_go_and_does_nothing_without_yes(here, bench):
    done = here("clear", "-c", "noise.*", "-o", "json")
    said = document(done)
    assert (done.returncode, said["done"], said["records"], said["exact"]) == (5, False, 5, True)
    assert (said["components"], said["levels"]) == ({"noise.x": 5}, {"DEBUG": 5})
    assert b"--yes" in done.stderr
    text = here("clear", "-c", "noise.*", "-o", "text").stdout.decode()
    assert "5 records to be removed" in text
    assert "noise.x" in text
    assert (bench.stored(), bench.sql("SELECT count(*) FROM logs_cleared")) == (15, [(0,)])


@pytest.mark.usefixtures("noisy")
def test_what_was_cleared_is_gone_for_good_and_the_account_is_clean(here, bench):
    before = document(here("audit", "-o", "json"))["total"]
    done = here("clear", "-c", "noise.*", "--yes", "-o", "json")
    assert (done.returncode, document(done)["records"]) == (0, 5)
    assert b"5 records to be removed" in done.stderr
    assert bench.sql("SELECT count(*) FROM logs WHERE component = 'noise.x'") == [(0,)]
    done = here("audit", "--deep", "-o", "json")
    assert (done.returncode, document(done)["total"]) == (0, before)
    said = document(here("replay", "--from", "0", "--yes", "-o", "json"))
    assert (said["stored"], said["duplicates"], said["cleared"]) == (0, 10, 5)
    done = here("audit", "--deep", "-o", "json")
    total = document(done)["total"]
    assert (done.returncode, total["stored"], total["lost"], total["unaccounted"]) == (0, 10, 0, 0)
    assert list(verify(bench.settings.dewey_url)) == []


@pytest.mark.usefixtures("noisy")
def test_the_log_tells_who_cleared_what(here):
    cleared = document(here("clear", "message", "--until", "1s", "--data", "i=3", "-o", "json"))
    assert cleared["records"] in (0, 1)  # it may be younger than a second
    done = document(here("clear", "message", "--data", "i=3", "--yes", "-o", "json"))
    (record,) = document(here("query", "-c", "dewey", "-o", "json"))["items"]
    assert (record["id"], record["level"]) == (done["id"], "WARN")
    assert record["message"] == "cleared 1 records"
    assert record["data"]["filter"] == {"search": "message", "data": {"i": 3}}
    assert record["data"]["asked_by"].startswith("godot clear by ")


@pytest.mark.usefixtures("noisy")
def test_everything_goes_only_with_all(here, bench):
    assert here("clear").returncode == 2
    assert here("clear", "--yes").returncode == 2
    assert here("clear", "", "--yes").returncode == 2
    assert here("clear", "--all", "-c", "noise.x", "--yes").returncode == 2
    assert here("clear", "--all", "", "--yes").returncode == 2
    assert document(here("clear", "--all", "-o", "json"))["records"] == 15
    assert bench.stored() == 15
    said = document(here("clear", "--all", "--yes", "-o", "json"))
    assert (said["records"], len(said["partitions"])) == (15, 1)
    assert bench.stored() == 1
    assert here("audit", "--deep").returncode == 0
    said = document(here("replay", "--from", "0", "--yes", "-o", "json"))
    assert (said["stored"], said["cleared"]) == (0, 15)


@pytest.mark.usefixtures("noisy")
def test_a_clear_that_finds_nothing_leaves_no_trace(here, bench):
    done = here("clear", "-c", "absent", "--yes", "-o", "json")
    assert (done.returncode, document(done)["records"]) == (0, 0)
    assert here("clear", "-c", "absent", "-o", "text").stdout == b"no record matches\n"
    assert bench.sql("SELECT count(*) FROM logs_cleared") == [(0,)]


def test_a_filter_that_makes_no_sense_is_one_line(here):
    for options in (
        ("--regex", "(("),
        ("--since", "whenever"),
        ("--level", "loud"),
        ("-c", " "),
        ("--since", "1h", "--until", "2h"),
    ):
        done = here("clear", *options, "--yes")
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"error: GD-1002 ")
        assert done.stderr.count(b"\n") == 1


def test_the_owner_clears(here):
    done = here("clear", "--all", "--yes", DEWEY_OWNER_URL=AWAY)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error: GD-2003" in done.stderr


@pytest.mark.usefixtures("noisy")
def test_a_second_clear_at_the_same_time_is_refused(here, bench):
    with psycopg.connect(bench.settings.dewey_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('dewey'), hashtext('maintenance'))")
        done = here("clear", "-c", "noise.*", "--yes")
    assert done.returncode == 1
    assert b"at work" in done.stderr
    assert bench.stored() == 15
