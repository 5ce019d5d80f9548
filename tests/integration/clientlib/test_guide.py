"""The guide's blocks for Python, each run as the program that it is."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clientlib.stream import account, read, until

GUIDE = Path(__file__).resolve().parents[3] / "docs/integration.md"
BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = dict(BLOCK.findall(GUIDE.read_text("utf-8")))
BIN = Path(sys.executable).parent
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, redis_url: str, stream_name: str) -> Start:
    """Start a command where every block of the guide is a file."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)

    def command(*arguments: str) -> subprocess.Popen[bytes]:
        environ = {
            **os.environ,
            "GODOT_REDIS_URL": redis_url,
            "GODOT_STREAM": stream_name,
            "GODOT_FLUSH_TIMEOUT_S": "20",
            "SECRET_KEY": "for this test",
        }
        return subprocess.Popen(
            arguments, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return command


def ended(process: subprocess.Popen[bytes]) -> None:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


def data_of(record: dict[str, str]) -> dict[str, Any]:
    return json.loads(record["data"])


def test_every_block_of_the_guide_is_run():
    run_here = {"plain", "stdlib", "configured", "events", "chained", "api", "jobs", "tools"}
    assert set(PROGRAMS) == {f"{name}.py" for name in run_here | {"settings", "urls", "wsgi"}}
    assert GUIDE.read_text("utf-8").count("```python\n") == len(PROGRAMS)


def test_a_plain_program_logs_and_ends(start, redis_url, stream_name):
    ended(start(sys.executable, "plain.py"))
    placed, declined, broken, paid = read(redis_url, stream_name)
    assert (placed["component"], placed["message"]) == ("shop", "order placed")
    assert "trace_id" not in placed
    assert declined["trace_id"] == "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    assert data_of(broken)["exception"].endswith("KeyError: 'stock'")
    assert paid["trace_id"] == TRACE
    assert data_of(paid) == {"user": 5, "module": "orders", "iban": "[REDACTED]"}


def test_logging_and_structlog_are_taken_over_by_a_line(start, redis_url, stream_name):
    names = ("stdlib", "configured", "events", "chained")
    for process in [start(sys.executable, f"{name}.py") for name in names]:
        ended(process)
    found = sorted(read(redis_url, stream_name), key=lambda record: record["message"])
    warned, chained, event, emptied, out_of_stock = found
    assert emptied["message"] == "emptied cart 7"
    assert data_of(emptied) == {"logger": "shop.cart", "order": 8812, "password": "[REDACTED]"}
    assert "carts are deprecated" in warned["message"]
    assert (out_of_stock["level"], data_of(out_of_stock)["item"]) == ("WARN", 7)
    assert (event["message"], data_of(event)) == ("emptied", {"user": 5, "order": 8812})
    assert (chained["message"], data_of(chained)["filename"]) == ("counted", "chained.py")


@pytest.mark.parametrize(
    "command",
    [
        ("uvicorn", "api:app", "--port"),
        ("gunicorn", "wsgi:application", "--workers", "2", "--preload", "--bind"),
    ],
    ids=lambda command: command[0],
)
def test_a_server_logs_with_the_trace_of_the_request_and_its_workers_lose_nothing(
    start, redis_url, stream_name, command
):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    where = f"127.0.0.1:{port}" if command[-1] == "--bind" else str(port)
    server = start(str(BIN / command[0]), *command[1:], where)

    def answered(order: int) -> bool:
        url = f"http://127.0.0.1:{port}/orders/{order}"
        request = urllib.request.Request(url, headers={"traceparent": PARENT})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                assert response.headers["X-Trace-ID"] == TRACE
                return True
        except OSError:
            assert server.poll() is None, server.communicate()
            return False

    try:
        until(lambda: answered(0))
        assert all(answered(order) for order in range(1, 20))
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    shown = [r for r in read(redis_url, stream_name) if r["message"] == "order shown"]
    assert sorted(data_of(record)["order"] for record in shown) == list(range(20))
    assert {record["trace_id"] for record in shown} == {TRACE}
    account(redis_url, stream_name).assert_balanced()


def test_work_in_other_processes_keeps_its_trace(start, redis_url, stream_name):
    ended(start(sys.executable, "jobs.py"))
    found = read(redis_url, stream_name)
    assert sorted(data_of(record)["order"] for record in found) == list(range(10))
    assert {record["trace_id"] for record in found} == {TRACE}


def test_an_mcp_tool_logs_with_the_trace_of_its_call(start, redis_url, stream_name):
    calls = f"""
import anyio, tools
from clientlib import trace_context

async def both():
    await tools.call(1)
    with trace_context({TRACE!r}):
        await tools.call(2)

anyio.run(both)
"""
    process = start(sys.executable, "-c", calls)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = [(data_of(r)["order"], r.get("trace_id")) for r in read(redis_url, stream_name)]
    assert found == [(1, None), (2, TRACE)]
