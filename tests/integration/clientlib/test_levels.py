"""Levels set from outside reach running programs; the bound is generous, as machines are busy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest
import redis

from clientlib import ICCMLogger, Level
from tests.integration.clientlib.stream import messages, until


@pytest.fixture
def admin(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def tell(client: redis.Redis, stream: str, component: str, text: str) -> None:
    client.hset(f"{stream}:levels", component, text)
    client.publish(f"{stream}:levels", component)


def until_level(log: ICCMLogger, level: Level) -> None:
    until(lambda: log.gate.level == level)


def test_a_program_that_logs_nothing_hears_of_a_change_and_of_its_end(
    make_logger, admin, stream_name
):
    log = make_logger("svc", level="INFO")
    other = make_logger("other", level="INFO")
    tell(admin, stream_name, "svc", "DEBUG")
    until_level(log, Level.DEBUG)
    assert other.gate.level == Level.INFO
    tell(admin, stream_name, "*", "ERROR")
    until_level(other, Level.ERROR)
    assert log.gate.level == Level.DEBUG
    admin.hdel(f"{stream_name}:levels", "svc")
    admin.publish(f"{stream_name}:levels", "svc")
    until_level(log, Level.ERROR)


def test_word_comes_by_push_and_an_override_returns_by_itself(make_logger, admin, stream_name):
    log = make_logger("svc", level="INFO")
    log.info("connects at once")
    assert log.flush(10)
    until(lambda: admin.pubsub_numsub(f"{stream_name}:levels")[0][1] == 1)
    until(lambda: log._sender._watch._ask_at)  # it has asked once
    asked = log._sender._watch._ask_at
    tell(admin, stream_name, "svc", f"TRACE {int(time.time() * 1_000) + 600_000}")
    until_level(log, Level.TRACE)
    assert asked - time.monotonic() > 5, "it would have asked by itself"
    tell(admin, stream_name, "svc", f"TRACE {int(time.time() * 1_000) + 2_500}")
    until_level(log, Level.INFO)


def test_a_logger_that_is_closed_takes_nothing_from_the_others(make_logger, admin, stream_name):
    log = make_logger("svc", level="ERROR")
    tell(admin, stream_name, "svc", "DEBUG")
    until_level(log, Level.DEBUG)
    with make_logger("other") as other, other.bind(user=5) as child:
        child.info("m")
    assert other.stats().sent == 1
    tell(admin, stream_name, "svc", "WARN")
    until_level(log, Level.WARN)
    log.close()
    until_level(log, Level.ERROR)


def test_a_logger_made_just_after_the_last_one_was_closed_hears_of_levels(
    make_logger, admin, stream_name
):
    make_logger("first").close()
    log = make_logger("svc", level="ERROR")
    tell(admin, stream_name, "svc", "DEBUG")
    until_level(log, Level.DEBUG)


def test_a_change_among_many_records_loses_none_of_them(make_logger, redis_url, admin, stream_name):
    log = make_logger("svc", level="INFO")
    for i in range(3_000):
        log.info(f"m{i}")
        if i % 100 == 50:
            tell(admin, stream_name, "svc", "DEBUG")
    assert log.flush(10)
    assert messages(redis_url, stream_name) == [f"m{i}" for i in range(3_000)]
    until_level(log, Level.DEBUG)


def test_the_levels_are_read_again_with_the_next_connection(own_server, stream_name):
    with ICCMLogger("svc", own_server.url, stream=stream_name) as log:
        log.info("m")
        assert log.flush(10)
        with redis.Redis.from_url(own_server.url) as client:
            until(lambda: client.pubsub_numsub(f"{stream_name}:levels")[0][1] == 1)
        own_server.stop()
        own_server.start()
        with redis.Redis.from_url(own_server.url) as client:
            client.hset(f"{stream_name}:levels", "svc", "DEBUG")  # and nobody is told
        until_level(log, Level.DEBUG)


@pytest.mark.parametrize("rights", ["+hgetall", "-hgetall"])
def test_a_user_who_may_not_subscribe_asks_and_one_who_may_nothing_goes_on(
    own_server, stream_name, rights, capfd
):
    with redis.Redis.from_url(own_server.url) as client:
        client.execute_command(
            *("ACL", "SETUSER", "p", "on", ">pw", "~*", "-@all", "+xadd", "+hset", "+ping"),
            *("+hello", "+auth", rights),
        )
        url = own_server.url.replace("unix://", "unix://p:pw@")
        with ICCMLogger("svc", url, stream=stream_name) as log:
            log.info("m")
            assert log.flush(10)
            client.hset(f"{stream_name}:levels", "svc", "DEBUG")
            if rights == "+hgetall":
                until_level(log, Level.DEBUG)
            log.info("n")
            assert log.flush(10)
    assert messages(own_server.url, stream_name) == ["m", "n"]
    assert capfd.readouterr().err == ""


def test_without_resp3_the_levels_are_asked_for(make_logger, redis_url, admin, stream_name):
    log = make_logger("svc", redis_url=f"{redis_url}&protocol=2", level="INFO")
    log.info("m")
    assert log.flush(10)
    admin.hset(f"{stream_name}:levels", "svc", "DEBUG")
    until_level(log, Level.DEBUG)
    log.debug("n")
    assert log.flush(10)
    assert messages(redis_url, stream_name) == ["m", "n"]


def test_a_forked_child_that_logs_nothing_follows_the_levels_and_loses_no_record(
    run, redis_url, admin, stream_name
):
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(FORKED)],
        env={
            **os.environ,
            "GODOT_REDIS_URL": redis_url,
            "GODOT_STREAM": stream_name,
            "GODOT_FLUSH_TIMEOUT_S": "30",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "forked\n"
    tell(admin, stream_name, "svc", "DEBUG")
    assert program.wait(60) == 0
    program.stdout.close()
    assert messages(redis_url, stream_name) == ["now it shows"]


FORKED = """
import multiprocessing, time, warnings
from clientlib import ICCMLogger
warnings.simplefilter("ignore", DeprecationWarning)
log = ICCMLogger("svc")

def work():
    deadline = time.monotonic() + 60
    while not log.is_enabled("DEBUG") and time.monotonic() < deadline:
        time.sleep(0.01)
    log.debug("now it shows")

child = multiprocessing.get_context("fork").Process(target=work)
child.start()
print("forked", flush=True)
child.join()
raise SystemExit(child.exitcode)
"""


def test_a_program_that_only_makes_a_logger_ends_at_once_and_connects_to_nothing(run):
    done = run(
        """
        import sys
        from clientlib import ICCMLogger
        log = ICCMLogger("svc", "redis://127.0.0.1:1/0")
        assert log.flush(0)
        log.close()
        assert "redis" not in sys.modules
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
