from __future__ import annotations

import json
import re

from clientlib import parse_record_id


def test_emit_prints_the_id_of_a_record_that_arrives(run, working, stored):
    done = run("emit", "disk almost full", "-c", "ops", "-l", "warn", "-d", "free=3", "-t", "t-1")
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode().strip()
    assert parse_record_id(printed)
    with working():
        (row,) = stored(1)
    assert row[:4] == ("disk almost full", "WARN", "ops", {"free": 3})
    assert row[5:] == ("t-1", printed)


def test_data_is_given_as_json_or_as_pairs_and_secrets_stay_here(here, working, stored):
    here(
        "emit", "x", "-d", '{"a": {"b": [1]}, "password": "hunter2"}', "-d", "n=1.5", "-d", "s=t=u"
    )
    with working():
        (row,) = stored(1)
    assert row[3]["a"] == {"b": [1]}
    assert (row[3]["n"], row[3]["s"]) == (1.5, "t=u")
    assert "hunter2" not in json.dumps(row[3])


def test_emit_as_json_says_what_was_made(here):
    said = json.loads(here("emit", "x", "-o", "json").stdout)
    assert said["schema"] == "godot.emitted/1"
    assert said["level"] == "INFO"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", said["created_at"])


def test_what_cannot_be_a_record_is_one_line_and_exit_code_2(here):
    for arguments in (
        ["x", "-l", "loud"],
        ["x", "-c", ""],
        ["x", "-d", "{broken"],
        ["x", "-d", "="],
        ["x", "-d", '{"a":' * 3_000],
    ):
        done = here("emit", *arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"Traceback" not in done.stderr


def test_without_redis_emit_fails_with_exit_code_3(here):
    done = here("emit", "x", GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"GD-2001" in done.stderr
