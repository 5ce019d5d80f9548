from __future__ import annotations

import json

import pytest

from clientlib import Producer, make_record
from godot.stream.append import Appender


def test_nothing_sent_yet_is_no_error(here):
    done = here("status", "-o", "json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["state"], said["problems"]) == (0, "no-consumer", [])
    assert (said["stream"]["entries"], said["store"]["rows"]) == (0, 0)


def test_entries_without_a_worker_wait_and_it_says_so(here, settings):
    with Appender(settings) as appender:
        appender.append([make_record("t", "INFO", "m", producer=Producer()) for _ in range(3)])
    said = json.loads(here("status", "-o", "json").stdout)
    assert said["state"] == "no-consumer"
    assert (said["group"]["undelivered"], said["group"]["exists"]) == (3, False)
    assert said["waiting_ms"] >= 0
    assert [one["code"] for one in said["findings"]] == ["GD-3102"]
    for arguments, code in (((), 0), (("--exit-code",), 4)):
        assert here("status", *arguments).returncode == code


def test_with_a_worker_everything_is_ok_and_counted(here, settings, working, stored):
    with Appender(settings) as appender:
        appender.append([make_record("t", "INFO", "m", producer=Producer()) for _ in range(3)])
    with working():
        stored(3)
        said = json.loads(here("status", "-o", "json").stdout)
        screen = here("status", "-o", "text").stdout.decode()
    assert said["state"] == "ok"
    assert (said["group"]["pending"], said["group"]["consumers"]) == (0, 1)
    assert said["store"]["rows"] == 3
    assert "3 records" in screen
    assert "nothing waits" in screen
    assert here("status", "--exit-code").returncode == 4  # the worker is gone


@pytest.mark.parametrize("verb", ["status", "audit", "query"])
def test_an_address_that_cannot_be_used_is_a_wrong_setting(here, verb):
    done = here(verb, DEWEY_URL="postgresql:///x?bogus=1")
    assert done.returncode == 2
    assert b"the store's URL cannot be read" in done.stderr
    assert b"DEWEY_URL" in done.stderr


def test_a_server_that_is_away_costs_its_own_part_only(here):
    done = here("status", "-o", "text", GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert b"STREAM    " in done.stdout
    assert b"?" in done.stdout
    assert b"0 records" in done.stdout
    assert b"GD-2001" in done.stdout
    done = here("status", "-o", "json", DEWEY_URL="postgresql://nobody@127.0.0.1:1/none")
    said = json.loads(done.stdout)
    assert done.returncode == 3
    assert done.stderr.startswith(b"store: ")
    assert said["store"] is None
    assert said["stream"]["entries"] == 0
