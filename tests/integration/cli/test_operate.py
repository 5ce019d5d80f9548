from __future__ import annotations

import json
import re
import signal
import socket
import time

import godot
from dewey_logs.tools.tokens import TokenFile


def test_version_prints_versions(here):
    done = here("version", "-o", "json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["godot"]) == (0, godot.__version__)
    assert said["python"].startswith("3.")
    assert here("version", "-o", "text").stdout.decode().startswith(f"godot {godot.__version__}\n")


def test_a_worker_stores_and_stops_on_sigterm(start, here, stored):
    here("emit", "to be stored")
    process = start("worker")
    stored(1)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, b"")
    assert all(json.loads(line)["time"] for line in stderr.splitlines())


def test_a_wrong_setting_is_one_line_and_exit_code_2(here):
    for command in [["worker"], ["mcp"], ["emit", "x"], ["status"], ["tail"]]:
        done = here(*command, GODOT_MAXLEN="many")
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1
        assert b"GODOT_MAXLEN='many'" in done.stderr


def test_a_port_in_use_is_one_line_that_names_the_variable(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("mcp", GODOT_MCP_PORT=str(port))
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"GODOT_MCP_PORT={port}".encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_beyond_loopback_nothing_is_served_without_tokens(here):
    for host in ["0.0.0.0", "192.0.2.1", "::", "example.com"]:
        done = here("mcp", GODOT_HOST=host)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"loopback" in done.stderr


def test_tools_that_do_not_exist_are_a_usage_error(here):
    for arguments, said in (
        (["--toolset", "serch"], b"'serch' does not exist: allowed are search"),
        (["--read-only", "--toolset", "admin"], b"leaves no tool"),
    ):
        done = here("mcp", *arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert said in done.stderr


def test_a_token_is_printed_once_and_its_hash_kept(here, tmp_path):
    path = tmp_path / "tokens"
    done = here("token", "agent-1", "-s", "logs:write", GODOT_TOKENS_FILE=str(path))
    assert done.returncode == 0
    text = done.stdout.decode().strip()
    assert text.startswith("gdt_")
    assert text not in path.read_text()
    found = TokenFile(path).find(text)
    assert found is not None
    assert found.scopes == {"logs:write"}
    done = here("token", "agent-2", "-s", "logs:everything")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no scope 'logs:everything'" in done.stderr


def test_help_has_three_examples_and_says_what_it_does_to_the_data(here):
    for command in ["emit", "ingest", "tail", "query", "status", "worker", "mcp", "token"]:
        done = here(command, "--help")
        assert done.returncode == 0
        text = done.stdout.decode()
        assert len(re.findall(r"^\s+.*godot " + command, text, re.MULTILINE)) >= 3
        assert re.search(r"\[(read|write)\]", text)
        assert max(map(len, text.splitlines())) <= 100


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(start, here):
    here("ingest", stdin=b"".join(b"line %d\n" % i for i in range(5_000)))
    process = start("tail", "-n", "1000")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    deadline = time.monotonic() + 60
    stderr = process.stderr.read()
    assert time.monotonic() < deadline
    assert b"Traceback" not in stderr
