from __future__ import annotations

import http.client
import json
import re
import signal
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client


def get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


def post(url: str, **headers: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
    try:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        connection.request("POST", "/mcp", body, {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_sdks_client_logs_and_queries_over_http(served, working, stored, mode):
    async def session():
        async with Client(served.url, mode=mode) as client:
            logged = await client.call_tool(
                "logger_log", {"component": "remote", "message": f"over http, {mode}"}
            )
            assert not logged.is_error
            with working():
                await anyio.to_thread.run_sync(stored, 1)
            return await client.call_tool("logger_query", {"component": "remote"})

    found = anyio.run(session)
    assert f"over http, {mode}" in found.content[0].text


def test_health_says_what_can_be_reached(served, working, stored):
    assert get(f"{served.base}/livez") == (200, b'{"live":true}')
    status, body = get(f"{served.base}/readyz")
    assert (status, json.loads(body)) == (
        503,
        {"ready": False, "redis": True, "group": False, "postgres": True},
    )
    with working():
        deadline = time.monotonic() + 30
        while get(f"{served.base}/readyz")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_metrics_count_tool_calls_from_zero(served):
    def counted() -> dict[str, float]:
        found = re.findall(
            rb'^godot_mcp_tool_calls_total\{outcome="(\w+)",tool="logger_log"\} (\S+)$',
            get(served.metrics_url)[1],
            re.MULTILINE,
        )
        return {outcome.decode(): float(value) for outcome, value in found}

    async def calls():
        async with Client(served.url) as client:
            await client.call_tool("logger_log", {"component": "a", "message": "m"})
            await client.call_tool("logger_log", {"component": "a"})

    assert counted() == {"ok": 0, "refused": 0, "failed": 0}
    anyio.run(calls)
    assert counted() == {"ok": 1, "refused": 1, "failed": 0}


def test_metrics_count_every_request_by_route_and_status(served):
    def counted(route: str, code: str) -> float:
        line = rf'^godot_http_requests_total\{{code="{code}",route="{route}"\}} (\S+)$'
        (found,) = re.findall(line.encode(), get(served.metrics_url)[1], re.MULTILINE)
        return float(found)

    assert counted("/livez", "2xx") == counted("/mcp", "4xx") == counted("other", "4xx") == 0
    get(f"{served.base}/livez")
    post(served.url, Host="evil.example")
    get(f"{served.base}/somebody's/guess")
    assert counted("/livez", "2xx") == counted("/mcp", "4xx") == counted("other", "4xx") == 1
    assert b"guess" not in get(served.metrics_url)[1]


def test_other_hosts_and_origins_are_turned_away(served):
    assert post(served.url, Host="evil.example") == 421
    assert post(served.url, Origin="http://evil.example") == 403
    assert post(served.url, Origin="https://127.0.0.1.evil.example:9060") == 403
    assert post(served.url, Host="127.0.0.1:1") not in (403, 421)


def test_a_body_without_end_is_refused(served):
    parts = urlsplit(served.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
    connection.putrequest("POST", "/mcp")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_sigterm_ends_it_in_order_and_takes_its_announcement_back(served):
    get(f"{served.base}/livez")
    served.process.send_signal(signal.SIGTERM)
    stdout, stderr = served.process.communicate(timeout=20)
    assert (served.process.returncode, stdout) == (0, b"")
    assert not served.announcement.exists()
    assert [json.loads(line)["message"] for line in stderr.splitlines()] == ["serving", "stopped"]
