from __future__ import annotations

import signal
import stat
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict

from godot.embedded import instance
from godot.embedded.endpoint import ENDPOINT_FILE, read, running, variables
from godot.embedded.postgres import Postgres
from godot.embedded.process import ChildFailed
from godot.embedded.valkey import Valkey
from godot.errors import StackProblem
from tests.integration.embedded.runs import Start, until

LOGIN_OF = {
    "DEWEY_URL": "godot_writer",
    "DEWEY_READER_URL": "godot_reader",
    "DEWEY_OWNER_URL": "godot",
}


def test_a_stack_is_published_when_ready_and_stops_in_order_without_a_trace(
    start: Start, data_dir: Path
) -> None:
    run = start("2")
    endpoint = run.wait_ready()
    assert endpoint == running(data_dir)
    assert stat.S_IMODE((data_dir / ENDPOINT_FILE).stat().st_mode) == 0o600
    assert len(endpoint.metrics_urls) == 4
    processes = run.everything()
    assert set(processes) == {
        *("supervisor", "valkey", "postgresql"),
        *("worker-1", "worker-2", "mcp", "dewey"),
    }
    until(lambda: run.said("worker-2: WARNING as told"), "a child's warning is passed on")

    assert run.end() == 0
    assert run.said("ended by SIGTERM")
    assert not instance.wait_gone(processes.values(), 0.0)
    assert read(data_dir) is None
    assert instance.read_record(data_dir) is None
    stopped = [line for line in run.journal.read_text().splitlines() if line.endswith("stopped")]
    assert stopped == ["mcp stopped", "worker stopped", "worker stopped", "dewey stopped"]
    assert not list((data_dir / "postgres" / "run").iterdir())  # PostgreSQL ended by itself
    assert "bye bye" in (data_dir / "valkey" / "valkey.log").read_text()


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_finds_the_data(
    start: Start, data_dir: Path
) -> None:
    run = start("1")
    endpoint = run.wait_ready()
    with pytest.raises(StackProblem, match=f"already runs over .*process {run.process.pid}"):
        instance.Lock(data_dir)
    with psycopg.connect(endpoint.dewey_owner_url or "") as connection:
        connection.execute("CREATE TABLE keepsake AS SELECT 17 AS n")
    with redis.Redis.from_url(endpoint.redis_url) as client:
        client.set("keepsake", "17")
    processes = run.everything()

    assert run.end(signal.SIGKILL) == -signal.SIGKILL
    again = start("1")  # at once: it waits for what the first one left
    until(lambda: read(data_dir) not in (None, endpoint), "the second stack is published")
    assert not instance.wait_gone(processes.values(), 0.0)
    endpoint = again.wait_ready()
    with psycopg.connect(endpoint.dewey_owner_url or "") as connection:
        assert connection.execute("SELECT n FROM keepsake").fetchone() == (17,)
    with redis.Redis.from_url(endpoint.redis_url) as client:
        assert client.get("keepsake") == b"17"
    assert again.end() == 0


def test_whatever_dies_is_named_and_started_again(start: Start, data_dir: Path) -> None:
    run = start("1")
    endpoint = run.wait_ready()
    before = run.everything()
    for name in ("worker-1", "valkey", "postgresql"):
        instance.send(before[name], signal.SIGKILL)
    for name in ("worker-1", "valkey", "postgresql"):
        told = f"{name} ended (signal SIGKILL); starting it again in 0.5 s"
        until(partial(run.said, told), f"the death of {name} is told")
        until(partial(run.said, f"{name} is ready again"), f"{name} is back")
        assert run.everything()[name] != before[name]
    with psycopg.connect(endpoint.dewey_url) as connection:
        connection.execute("SELECT 1")
    with redis.Redis.from_url(endpoint.redis_url) as client:
        assert client.ping()
    assert running(data_dir) is not None
    assert run.everything()["mcp"] == before["mcp"]
    assert run.end(signal.SIGINT) == 0
    assert run.said("ended by SIGINT")


def test_a_program_that_cannot_start_ends_the_stack_with_its_last_words(
    start: Start, data_dir: Path
) -> None:
    run = start("1", "worker=--crash")
    assert run.process.wait(60) == 1
    assert run.said("worker-1 ended while it started (exit code 7):\nnothing works here")
    assert instance.read_record(data_dir) is None
    assert read(data_dir) is None
    assert not list((data_dir / "postgres" / "run").iterdir())


def test_a_program_that_is_never_ready_ends_the_stack_and_a_stubborn_one_is_killed(
    start: Start, data_dir: Path
) -> None:
    run = start("1", "mcp=--unready", "late=mcp")
    assert run.process.wait(60) == 1
    assert run.said("mcp was not ready after "), run.output.read_text()
    assert not run.said("READY")
    assert run.journal.read_text().count("stopped") == 3


def test_a_second_signal_shortens_the_waiting(start: Start) -> None:
    run = start("1", "worker=--stubborn")
    run.wait_ready()
    run.process.send_signal(signal.SIGINT)
    until(lambda: "mcp stopped" in run.journal.read_text(), "the first one has stopped")
    assert run.end() == 0
    assert run.said("worker-1 did not stop in time and was killed")


def test_an_ephemeral_stack_takes_its_data_along_but_never_someone_elses(
    start: Start, data_dir: Path
) -> None:
    run = start("1", "ephemeral=1")
    run.wait_ready()
    (data_dir / "notes.txt").write_text("mine")
    assert run.end() == 0
    assert [path.name for path in data_dir.iterdir()] == ["notes.txt"]


def test_servers_that_are_given_are_used_and_left_as_they_are(
    start: Start,
    data_dir: Path,
    valkey_server: Valkey,
    redis_url: str,
    dewey_url: str,
    reader_url: str,
    stream_name: str,
) -> None:
    assert valkey_server.child is not None
    with redis.Redis.from_url(redis_url) as client:
        keys = set(client.keys("*"))
        config = client.config_get("*")
        given = {
            "GODOT_REDIS_URL": redis_url,
            "DEWEY_URL": dewey_url,
            "DEWEY_READER_URL": reader_url,
            "GODOT_STREAM": stream_name,
        }
        run = start("1", env=given)
        endpoint = run.wait_ready()
        assert (endpoint.redis_url, endpoint.dewey_url) == (redis_url, dewey_url)
        assert (endpoint.dewey_reader_url, endpoint.dewey_owner_url) == (reader_url, None)
        assert endpoint.stream == stream_name
        assert set(run.everything()) == {"supervisor", "worker-1", "mcp", "dewey"}
        assert run.end() == 0
        assert client.config_get("*") == config
        assert {key for key in client.keys("*") if key.startswith(stream_name.encode())} <= keys
    assert valkey_server.child.running
    assert not (data_dir / "valkey").exists()
    assert not (data_dir / "postgres").exists()


def test_an_address_left_over_from_elsewhere_does_not_lead_a_store_of_our_own_astray(
    start: Start, data_dir: Path, postgres_server: Postgres
) -> None:
    postgres_server.create_database(data_dir.name)  # of this test alone
    foreign = postgres_server.url(data_dir.name)
    run = start("1", env={"DEWEY_OWNER_URL": foreign, "DEWEY_READER_URL": foreign})
    endpoint = run.wait_ready()
    found = variables(endpoint)
    assert found["DEWEY_OWNER_URL"] == endpoint.dewey_owner_url
    assert found["DEWEY_READER_URL"] == endpoint.dewey_reader_url
    child = run.everything()["worker-1"]
    given = Path(f"/proc/{child.pid}/environ").read_bytes().split(b"\0")
    own = conninfo_to_dict(endpoint.dewey_url)
    for name, login in LOGIN_OF.items():
        assert f"{name}={found[name]}".encode() in given
        assert conninfo_to_dict(found[name]) == {**own, "user": login}
    has_schema = "SELECT to_regclass('logs') IS NOT NULL"
    with psycopg.connect(endpoint.dewey_owner_url or "") as connection:
        assert connection.execute(has_schema).fetchone() == (True,)
    with psycopg.connect(foreign) as connection:
        assert connection.execute(has_schema).fetchone() == (False,)


def test_a_given_server_that_is_away_is_said_at_once(
    start: Start, data_dir: Path, dewey_url: str
) -> None:
    run = start("1", env={"GODOT_REDIS_URL": "redis://127.0.0.1:1/0", "DEWEY_URL": dewey_url})
    assert run.process.wait(60) == 1
    assert run.said("StackProblem: Redis cannot be used: ")


def test_a_path_too_long_for_a_socket_is_said_with_its_length(data_dir: Path) -> None:
    deep = data_dir / ("d" * 80)
    deep.mkdir()
    with pytest.raises(ChildFailed, match=r"too long for a unix socket: .* has \d+ bytes"):
        Valkey(deep / "valkey").launch()
