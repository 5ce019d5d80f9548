from __future__ import annotations

import json
import time

import psycopg
import redis

from clientlib import ICCMLogger, Level
from tests.integration.clientlib.stream import until


def in_redis(settings) -> dict[bytes, bytes]:
    with redis.Redis.from_url(settings.redis_url) as client:
        return client.hgetall(f"{settings.stream}:levels")


def test_a_running_program_follows_what_is_set_and_cleared(here, settings):
    with ICCMLogger("billing", settings.redis_url, "INFO", stream=settings.stream) as log:
        log.info("connects")
        assert log.flush(10)
        done = here("level", "set", "billing", "debug", "-o", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["component"], found["level"], found["expires_at"]) == (
            *("billing", "DEBUG"),
            None,
        )
        until(lambda: log.gate.level == Level.DEBUG)
        assert here("level", "clear", "billing").returncode == 0
        until(lambda: log.gate.level == Level.INFO)
    assert in_redis(settings) == {}


def test_what_is_set_is_listed_with_its_end_and_what_has_expired_is_not(here, settings):
    assert here("level", "set", "*", "warning").returncode == 0
    before_ms = time.time() * 1_000
    assert here("level", "set", "a b", "TRACE", "--for", "10m").returncode == 0
    listed = here("level", "-o", "json")
    items = json.loads(listed.stdout)["items"]
    assert [(item["component"], item["level"]) for item in items] == [
        ("*", "WARN"),
        ("a b", "TRACE"),
    ]
    assert items[0]["expires_at"] is None
    there = in_redis(settings)
    assert there[b"*"] == b"WARN"
    level, expires_ms = there[b"a b"].split(b" ")
    assert level == b"TRACE"
    assert 0 <= int(expires_ms) - before_ms - 600_000 < 60_000
    with psycopg.connect(settings.dewey_url, autocommit=True) as connection:
        connection.execute("UPDATE logger_config SET expires_at = now() WHERE component = 'a b'")
    assert here("level", "show", "-o", "plain").stdout.split(b"\t")[0] == b"*"
    screen = here("level", "-o", "text").stdout.decode().splitlines()
    assert [line.split() for line in screen] == [
        ["COMPONENT", "LEVEL", "ENDS-IN"],
        ["*", "WARN", "-"],
    ]
    assert here("level", "set", "c", "error").returncode == 0
    assert sorted(in_redis(settings)) == [b"*", b"c"]
    cleared = here("level", "clear", "--all", "-o", "json")
    assert json.loads(cleared.stdout)["cleared"] == ["*", "c"]
    assert in_redis(settings) == {}


def test_what_cannot_be_meant_is_a_usage_error_and_changes_nothing(here, settings):
    for arguments in (
        ("set", "billing", "loud"),
        ("set", "", "info"),
        ("set", "billing", "info", "--for", "0s"),
        ("set", "billing", "info", "--for", "1000000w"),
        ("set", "billing"),
        ("clear",),
        ("clear", "billing", "--all"),
    ):
        done = here("level", *arguments)
        assert (done.returncode, done.stdout) == (2, b""), arguments
    assert in_redis(settings) == {}
    assert here("level", "clear", "billing").returncode == 0


def test_without_redis_the_level_is_kept_and_the_exit_code_says_that_nobody_heard(here, settings):
    done = here("level", "set", "billing", "debug", GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert b"billing" in here("level", "-o", "plain").stdout
