"""The guide's blocks for Node, each run as the program that it is."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.clientlib.stream import messages, read
from tests.integration.worker.conftest import eventually

GUIDE = Path(__file__).resolve().parents[3] / "docs/integration.md"
BLOCK = re.compile(r"^```js\n// (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = dict(BLOCK.findall(GUIDE.read_text("utf-8")))
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"


@pytest.fixture
def program(tmp_path: Path, run_node: Callable[..., str]) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        (tmp_path / name).write_text(PROGRAMS[name])
        return tmp_path / name

    return write


def test_every_block_of_the_guide_is_run():
    assert set(PROGRAMS) == {"shop.js", "shop.mjs", "web.js", "plain.js", "pino.js", "old.js"}
    assert GUIDE.read_text("utf-8").count("```js\n") == len(PROGRAMS)


def test_a_program_logs_and_ends(run_node, program, redis_url, stream_name):
    assert run_node(program("shop.js")) == ""
    placed, declined, broken = read(redis_url, stream_name)
    assert (placed["component"], placed["message"]) == ("shop", "order placed")
    assert declined["trace_id"] == "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    assert json.loads(broken["data"])["exception"].startswith("SyntaxError: ")


def test_a_module_binds_fields_and_a_trace(run_node, program, redis_url, stream_name):
    assert run_node(program("shop.mjs")) == ""
    (paid,) = read(redis_url, stream_name)
    assert paid["trace_id"] == TRACE
    assert json.loads(paid["data"]) == {"user": 5, "module": "orders", "iban": "[REDACTED]"}


@pytest.mark.parametrize("name", ["web.js", "plain.js"])
def test_a_server_logs_with_the_trace_of_the_request(
    name, program, node, redis_url, stream_name, tmp_path
):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    environ = {"GODOT_REDIS_URL": redis_url, "GODOT_STREAM": stream_name, "PORT": str(port)}
    command = [node, str(program(name))]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **environ})
    try:

        def answered() -> bool:
            url = f"http://127.0.0.1:{port}/orders/8812"
            request = urllib.request.Request(url, headers={"traceparent": PARENT})
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    assert response.headers["X-Trace-ID"] == TRACE
                    return True
            except OSError:
                return False

        eventually(answered, "the program to answer")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    (record,) = read(redis_url, stream_name)
    assert record["trace_id"] == TRACE


def test_pino_and_console_are_taken_over(run_node, program, redis_url, stream_name):
    assert run_node(program("pino.js")) == ""
    emptied, failed = read(redis_url, stream_name)
    assert json.loads(emptied["data"]) == {
        "module": "cart",
        "order": 8812,
        "password": "[REDACTED]",
    }
    assert (failed["message"], failed["level"]) == ("cart failed", "ERROR")
    assert run_node(program("old.js")) == "order 8812 is late\n"
    assert messages(redis_url, stream_name)[-1] == "order 8812 is late"
