from __future__ import annotations

import http.client
import json
import re
import signal
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client

from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from tests.conftest import copied
from tests.integration.facade.conftest import Served, serving, storing


@pytest.fixture(scope="module")
def shared(
    valkey_server: Valkey,
    postgres_server: Postgres,
    _template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """A system of this file's own: a server takes seconds to start."""
    with copied(postgres_server, _template) as url:
        yield load(
            {
                "GODOT_REDIS_URL": valkey_server.url,
                "DEWEY_URL": url,
                "GODOT_STREAM": f"t-{uuid.uuid4().hex[:12]}",
                "GODOT_DATA_DIR": str(tmp_path_factory.mktemp("shared")),
            }
        )


@pytest.fixture(scope="module")
def standing(shared: Settings) -> Iterator[Served]:
    """A server for tests that change nothing of what the others look at."""
    with serving(shared) as found:
        yield found


@pytest.fixture(scope="module")
def counting(shared: Settings) -> Iterator[Served]:
    """A server that has counted nothing but what these tests do, each in metrics of its own."""
    with serving(shared) as found:
        yield found


def get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


def post(url: str, **headers: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
    try:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        connection.request("POST", "/mcp", body, {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_sdks_client_logs_and_queries_over_http(standing, shared, mode):
    async def session():
        async with Client(standing.url, mode=mode) as client:
            logged = await client.call_tool(
                "logger_log", {"component": mode, "message": f"over http, {mode}"}
            )
            assert not logged.is_error
            with storing(shared), anyio.fail_after(30):
                while True:
                    found = await client.call_tool("logger_query", {"component": mode})
                    if found.structured_content["returned"]:
                        return found

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
        deadline = time.monotonic() + 60
        while get(f"{served.base}/readyz")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_metrics_count_tool_calls_from_zero(counting):
    def counted() -> dict[str, float]:
        found = re.findall(
            rb'^godot_mcp_tool_calls_total\{outcome="(\w+)",tool="logger_log"\} (\S+)$',
            get(counting.metrics_url)[1],
            re.MULTILINE,
        )
        return {outcome.decode(): float(value) for outcome, value in found}

    async def calls():
        async with Client(counting.url) as client:
            await client.call_tool("logger_log", {"component": "a", "message": "m"})
            await client.call_tool("logger_log", {"component": "a"})

    assert counted() == {"ok": 0, "refused": 0, "failed": 0}
    anyio.run(calls)
    assert counted() == {"ok": 1, "refused": 1, "failed": 0}


def test_metrics_count_every_request_by_route_and_status(counting):
    def counted(route: str, code: str) -> float:
        line = rf'^godot_http_requests_total\{{code="{code}",route="{route}"\}} (\S+)$'
        (found,) = re.findall(line.encode(), get(counting.metrics_url)[1], re.MULTILINE)
        return float(found)

    assert counted("/livez", "2xx") == counted("/mcp", "4xx") == counted("other", "4xx") == 0
    get(f"{counting.base}/livez")
    post(counting.url, Host="evil.example")
    get(f"{counting.base}/somebody's/guess")
    assert counted("/livez", "2xx") == counted("/mcp", "4xx") == counted("other", "4xx") == 1
    assert b"guess" not in get(counting.metrics_url)[1]


def test_other_hosts_and_origins_are_turned_away(standing):
    assert post(standing.url, Host="evil.example") == 421
    assert post(standing.url, Origin="http://evil.example") == 403
    assert post(standing.url, Origin="https://127.0.0.1.evil.example:9060") == 403
    assert post(standing.url, Host="127.0.0.1:1") not in (403, 421)


def test_a_body_without_end_is_refused(standing):
    parts = urlsplit(standing.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
    connection.putrequest("POST", "/mcp")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_sigterm_ends_it_in_order_and_takes_its_announcement_back(served):
    get(f"{served.base}/livez")
    served.process.send_signal(signal.SIGTERM)
    stdout, stderr = served.process.communicate(timeout=60)
    assert (served.process.returncode, stdout) == (0, b"")
    assert not served.announcement.exists()
    assert [json.loads(line)["message"] for line in stderr.splitlines()] == ["serving", "stopped"]
