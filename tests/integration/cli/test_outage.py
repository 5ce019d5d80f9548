from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
import redis
from mcp import Client
from prometheus_client import CollectorRegistry

from godot.cli.tail import RETRY_S
from godot.embedded.valkey import Valkey
from godot.facade.backends import Backends
from godot.facade.server import build
from godot.ingest.shipment import RETRY_PAUSE_S
from godot.settings import Settings, load
from tests.integration.worker.conftest import eventually


@pytest.fixture
def own_valkey(server_folder: Path, stream_name: str) -> Iterator[Valkey]:
    """A server of the test's own, to be stopped and started."""
    server = Valkey(server_folder / stream_name)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(own_valkey: Valkey, stream_name: str, dewey_url: str, tmp_path: Path) -> Settings:
    return load(
        {
            "GODOT_REDIS_URL": own_valkey.url,
            "DEWEY_URL": dewey_url,
            "GODOT_STREAM": stream_name,
            "GODOT_DATA_DIR": str(tmp_path),
            "GODOT_METRICS_PORT": "0",
            "GODOT_RECLAIM_IDLE_MS": "1000",
        }
    )


def line_of(process, wanted: bytes) -> bytes:
    """Read stderr up to a line that holds some words."""
    while wanted not in (line := process.stderr.readline()):
        assert line, "stderr ended"
    return bytes(line)


def test_a_login_that_redis_refuses_is_one_line_that_says_where_to_correct_it(here, own_valkey):
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("requirepass", "secret")
    for command in ("groups", "emit hello", "peek --undelivered"):
        done = here(*command.split())
        assert (done.returncode, done.stdout) == (3, b"")
        assert done.stderr.decode() == (
            "error: GD-2001 Redis refuses the login: it wants a password"
            " — correct the login in GODOT_REDIS_URL\n"
        )
    wrong = f"unix://:guess@{own_valkey.url.removeprefix('unix://')}"
    done = here("groups", GODOT_REDIS_URL=wrong)
    assert done.returncode == 3
    assert b"invalid username-password pair" in done.stderr
    assert b"guess" not in done.stderr


def test_a_store_that_answers_is_not_to_be_started(here, settings):
    with psycopg.connect(settings.dewey_url) as connection:
        connection.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        done = here("query")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"canceling statement due to lock timeout [55P03] \xe2\x80\x94 see: godot doctor\n" in (
        done.stderr
    )


@pytest.mark.parametrize(
    ("right", "command", "named"),
    [
        ("-xadd", "emit hello", "'xadd'"),
        ("-xinfo", "groups", "'xinfo|stream'"),  # which a script of ours asks
    ],
)
def test_a_right_that_is_missing_is_named_and_doctor_knows_more(
    right: str, command: str, named: str, here, own_valkey
):
    here("emit", "before")
    with redis.Redis.from_url(own_valkey.url) as client:
        client.execute_command("ACL", "SETUSER", "few", "on", ">p", "~*", "&*", "+@all", right)
    url = f"unix://few:p@{own_valkey.url.removeprefix('unix://')}"
    done = here(*command.split(), GODOT_REDIS_URL=url)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "error: GD-5013 Redis refuses: User few has no permissions to run the"
        f" {named} command — see: godot doctor\n"
    )


@pytest.mark.parametrize("command", ["query", "status", "dlq", "check store", "doctor"])
def test_a_login_that_postgresql_refuses_is_a_store_that_cannot_be_reached(
    command: str, here, settings
):
    stranger = f"{settings.dewey_url}&user=stranger"
    done = here(*command.split(), "-o", "json", DEWEY_URL=stranger)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == {"status": 3, "check store": 2, "doctor": 4}.get(command, 3)
    assert "PostgreSQL refuses the login" in said
    assert ("GD-2003" in said) == (command != "check store")
    if command in ("query", "dlq"):
        assert said.endswith(
            " — correct the login in DEWEY_URL, DEWEY_READER_URL or DEWEY_OWNER_URL\n"
        )


def test_tail_says_that_redis_is_away_and_goes_on_when_it_is_back(start, here, own_valkey):
    here("emit", "before")
    process = start("tail", "-f", "-o", "plain")
    assert b"before" in process.stdout.readline()
    own_valkey.stop()
    line_of(process, b"trying again")
    time.sleep(2.5 * RETRY_S)  # it has tried again, twice
    own_valkey.start()
    here("emit", "after")
    assert b"after" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert (told.count(b"trying again"), told.count(b"Redis is back\n")) == (0, 1)


def test_ingest_waits_for_redis_and_sends_every_line_once(start, own_valkey, working, stored):
    process = start("ingest", "-")
    process.stdin.write(b"".join(b"first %d\n" % i for i in range(700)))
    process.stdin.flush()
    with working():
        stored(700)
    own_valkey.stop()
    process.stdin.write(b"".join(b"second %d\n" % i for i in range(700)))
    process.stdin.close()
    line_of(process, b"trying again")
    time.sleep(2.5 * RETRY_PAUSE_S)  # it has tried again, twice
    own_valkey.start()
    assert process.wait(60) == 0
    told = process.stderr.read()
    assert (told.count(b"trying again"), told.count(b"Redis is back\n")) == (0, 1)
    with working():
        rows = stored(1_400)
    assert len({row[0] for row in rows}) == 1_400


def test_a_restart_of_redis_costs_logger_log_no_record(settings, own_valkey, working, stored):
    with Backends(settings) as backends:

        async def session() -> list[bool]:
            async with Client(build(backends, CollectorRegistry())) as client:

                async def log(message: str) -> bool:
                    arguments = {"component": "a", "message": message}
                    return (await client.call_tool("logger_log", arguments)).is_error

                answers = [await log("before")]
                own_valkey.stop()
                answers.append(await log("during"))
                own_valkey.start()  # not on a thread: the server dies with the thread that made it
                answers.append(await log("after"))
                return answers

        assert anyio.run(session) == [False, True, False]
    with working():
        assert [row[0] for row in stored(2)] == ["before", "after"]


def test_ctrl_c_during_ingest_says_how_far_it_came(start, settings):
    process = start("ingest", "-")
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    with redis.Redis.from_url(settings.redis_url) as client:
        eventually(lambda: client.xlen(settings.stream) == 2, "both lines to be sent")
    process.send_signal(signal.SIGINT)
    assert line_of(process, b"lines read").startswith(b"2 lines read")
    assert process.wait(60) == 130
