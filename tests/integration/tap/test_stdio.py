"""The tap is invisible to both sides, and everything that passed is in the stream."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec

from tests.integration.tap.conftest import Records, Start
from tests.integration.worker.conftest import eventually

ECHO = """
import sys
sys.stderr.write("ERROR half a shelf is missing\\n")
sys.stderr.flush()
while chunk := sys.stdin.buffer.raw.read(100_000):
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
sys.exit(7)
"""
REQUEST = b'{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"read"}}\n'
ANSWERING = """
import sys
sys.stdin.readline()
print('{"jsonrpc":"2.0","id":"a","result":{"password":"hunter2","deep":[1.0]}}', flush=True)
print('{"jsonrpc":"2.0","id":"zzz","error":{"code":-1,"message":"no"}}', flush=True)
sys.stdin.read()
"""


def test_bytes_pass_both_ways_whatever_they_are(start: Start, records: Records):
    large = b'{"jsonrpc":"2.0","method":"notifications/large","params":"%s"}\n' % (b"x" * 3_000_000)
    sent = REQUEST + b"\n\xff\x00 no JSON\r\n[]\n" + large + b'{"unfinished": '
    tap = start(ECHO)
    out, err = tap.communicate(sent, timeout=60)

    assert out == sent
    assert err == b"ERROR half a shelf is missing\n"
    assert tap.returncode == 7
    found = records()
    to_server = [r for r in found if r["data"].get("direction") == "to_server"]
    assert [r["data"]["kind"] for r in to_server] == [
        *("request", "not JSON-RPC", "not JSON-RPC"),
        *("notification", "not JSON-RPC"),
    ]
    assert to_server[0]["data"]["message"]["params"] == {"name": "read"}
    assert to_server[3]["data"]["bytes"] == len(large) - 1
    assert to_server[3]["data"]["head"].startswith('{"jsonrpc"')
    assert [r["level"] for r in found if r["data"].get("direction") == "stderr"] == ["ERROR"]
    assert found[0]["data"]["command"][1] == "-c"
    assert found[-1]["data"]["exit_status"] == 7


def test_an_answer_has_its_requests_method_trace_and_duration(start: Start, records: Records):
    tap = start(ANSWERING)
    tap.communicate(REQUEST, timeout=60)

    request, answer, stray = (r for r in records() if r["level"] == "TRACE")
    assert (answer["message"], answer["data"]["tool"]) == ("response tools/call", "read")
    assert answer["trace_id"] == request["trace_id"]
    assert answer["data"]["duration_ms"] > 0
    assert answer["data"]["message"]["result"] == {"password": "[REDACTED]", "deep": [1.0]}
    assert stray["data"]["unasked"] is True
    assert "trace_id" not in stray


def test_without_redis_traffic_and_exit_code_are_the_same(start: Start, tmp_path: Path):
    spill = tmp_path / "spill.jsonl"
    spill.touch()
    tap = start(ECHO, "--spill", str(spill), GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    out, _ = tap.communicate(REQUEST, timeout=60)

    assert out == REQUEST
    assert tap.returncode == 7
    eventually(lambda: b"tools/call" in spill.read_bytes(), "the record to be spilt")


def test_a_propagated_trace_id_is_the_one_that_is_recorded(start: Start, records: Records):
    out, _ = start(ECHO, "--propagate").communicate(REQUEST + b"rest", timeout=60)

    line, rest = out.split(b"\n")
    assert rest == b"rest"
    params = msgspec.json.decode(line)["params"]
    assert params["name"] == "read"
    trace_id = params["_meta"]["traceparent"].split("-")[1]
    request = next(r for r in records() if r["message"].startswith("request"))
    assert request["trace_id"].replace("-", "") == trace_id


def test_signals_pass_through_and_so_does_death_by_one(start: Start):
    tap = start(
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGTERM})\n"
        "print('bye', flush=True)\n"
        "signal.raise_signal(signal.SIGUSR1)\n"
    )
    assert tap.stdout is not None
    assert tap.stdout.readline() == b"ready\n"
    tap.send_signal(signal.SIGTERM)
    assert tap.stdout.read() == b"bye\n"
    assert tap.wait(60) == -signal.SIGUSR1


def test_a_killed_tap_takes_the_server_along_and_is_recorded(start: Start, records: Records):
    tap = start("import os, signal; print(os.getpid(), flush=True); signal.pause()")
    assert tap.stdout is not None
    server = int(tap.stdout.readline())
    tap.kill()
    tap.wait(60)

    assert records()[-1]["data"]["killed"] is True
    assert (
        not Path(f"/proc/{server}/cmdline").exists()
        or not Path(f"/proc/{server}/cmdline").read_bytes()
    )


def test_a_client_that_kills_the_whole_group_is_recorded(start: Start, records: Records):
    tap = start("import signal; print(flush=True); signal.pause()")
    assert tap.stdout is not None
    tap.stdout.readline()
    os.killpg(tap.pid, signal.SIGKILL)  # as the SDK's client does to a server that does not end

    assert records()[-1]["data"]["killed"] is True


def test_a_server_learns_that_its_client_reads_no_more(start: Start):
    tap = start(
        "import os, signal, sys\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    while True: os.write(1, b'x' * 1000)\n"
        "except BrokenPipeError: sys.exit(9)\n"
    )
    assert tap.stdin is not None
    assert tap.stdout is not None
    tap.stdout.close()
    tap.stdin.write(b"go\n")
    tap.stdin.flush()
    assert tap.wait(60) == 9


def test_a_client_learns_that_the_server_is_dead(start: Start):
    tap = start("import sys; sys.stdout.write('last words'); sys.exit(3)")
    assert tap.stdout is not None
    assert tap.stdout.read() == b"last words"
    assert tap.wait(60) == 3


def test_a_command_that_does_not_exist_is_named(start: Start):
    tap = start("", "--", "/no/such/server")
    assert tap.stderr is not None
    assert b"/no/such/server cannot be started" in tap.stderr.read()
    assert tap.wait(60) == 127
