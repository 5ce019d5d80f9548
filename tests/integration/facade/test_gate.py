"""Hostile callers, on loopback and on every address; with tokens, and with those of others."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from prometheus_client import CollectorRegistry

from dewey_logs.tools import Access, add_token, connection, make_token
from godot.facade.backends import Backends
from godot.settings import load
from tests.integration.facade.conftest import answering

PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
SLOWEST_BODY_S = 1.0  # of a body that comes at once nothing is waited for
LIMIT = 2**20


class Served:
    """A server in this process, and the texts of its tokens."""

    def __init__(self, port: int, registry: CollectorRegistry, tokens: dict[str, str]) -> None:
        self.port = port
        self.tokens = tokens
        self._registry = registry

    def refused(self, reason: str) -> float:
        name = "godot_mcp_requests_refused_total"
        return self._registry.get_sample_value(name, {"reason": reason}) or 0.0

    def post(self, body: Any = PING, path: str = "/mcp", **headers: str) -> tuple[int, str]:
        """Return status and body; the agent's token is sent unless another is given."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Content-Type": "application/json", "Accept": "application/json"}
        sent |= {"Authorization": f"Bearer {self.tokens['agent']}", **headers}
        sent = {name: value for name, value in sent.items() if value}
        try:
            made.request("POST", path, body, sent, encode_chunked=not isinstance(body, str))
            answer = made.getresponse()
            return answer.status, answer.read().decode()
        finally:
            made.close()

    def call(self, token: str, tool: str, **arguments: Any) -> Any:
        async def one() -> Any:
            headers = {"Authorization": f"Bearer {self.tokens[token]}"}
            url = f"http://127.0.0.1:{self.port}/mcp"
            async with (
                httpx2.AsyncClient(headers=headers) as web,
                Client(streamable_http_client(url, http_client=web)) as client,
            ):
                return await client.call_tool(tool, arguments)

        return anyio.run(one)


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    texts = {}
    for name, scope in [("agent", "logs:write"), ("reader", "logs:read"), ("seldom", "logs:read")]:
        texts[name], line = make_token(name, [scope])
        add_token(path, f"{line} 0.5" if name == "seldom" else line)
    return path, texts


@pytest.fixture(scope="module", params=["127.0.0.1", "0.0.0.0"])
def served(request, valkey_server, tokens_file, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gate")
    variables = {"GODOT_REDIS_URL": valkey_server.url, "GODOT_STREAM": f"gate-{request.param}"}
    settings = load({**variables, "GODOT_DATA_DIR": str(folder)})
    access = Access(
        tokens_file=tokens_file[0],
        allowed_hosts=("logs.example:8443",),
        bound_to=request.param,
        max_body_bytes=LIMIT,
        body_s=SLOWEST_BODY_S,
    )
    registry = CollectorRegistry()
    with (
        Backends(settings) as backends,
        answering(backends, registry, access, request.param) as port,
    ):
        yield Served(port, registry, tokens_file[1])


def test_whoever_has_a_token_is_served(served):
    assert served.post()[0] == 200
    said = served.call("agent", "logger_log", component="a", message="m")
    assert not said.is_error


def test_another_host_is_turned_away_even_with_a_token(served):
    before = served.refused("host")
    for host in ["evil.example", "127.0.0.1.evil.example", "logs.example", "127.0.0.1@evil", "a b"]:
        assert served.post(Host=host)[0] == 421
    assert served.refused("host") == before + 5
    assert served.post(Host="LOGS.example:8443")[0] == 200
    assert served.post(Host="[::1]:1")[0] == 200


def test_a_foreign_page_is_turned_away_even_with_a_token(served):
    for origin in ["http://evil.example", "null", "https://127.0.0.1.evil.example", "file://", "x"]:
        assert served.post(Origin=origin)[0] == 403
    assert served.post(Origin="https://logs.example:8443")[0] == 200


def test_without_a_token_nothing_is_told(served):
    status, said = served.post(Authorization="")
    assert (status, json.loads(said)) == (401, {"error": "send Authorization: Bearer TOKEN"})
    assert served.post(path="/elsewhere", Authorization="")[0] == 401


@pytest.mark.parametrize("form", ["Bearer {}x", "Bearer", "Basic {}", "{}", "Bearer  ", "Bearer é"])
def test_a_wrong_token_is_no_token(served, form):
    said = form.format(served.tokens["agent"])
    assert served.post(Authorization=said)[0] == 401


def test_a_tool_asks_for_its_scope(served):
    said = served.call("reader", "logger_log", component="a", message="m")
    assert said.is_error
    wanted = "the token of reader lacks the scope logs:write, which logger_log needs"
    assert said.content[0].text == wanted
    said = served.call("agent", "logger_query")
    assert "lacks the scope logs:read" in said.content[0].text
    said = served.call("reader", "logger_query")
    assert "there is no store" in said.content[0].text  # it was let through


def test_a_token_may_call_so_often(served):
    mine = f"Bearer {served.tokens['seldom']}"
    answers = [served.post(Authorization=mine)[0] for _ in range(3)]
    assert answers == [200, 429, 429]
    assert served.post()[0] == 200  # others are served meanwhile


def test_a_body_of_100_megabytes_is_refused_before_it_is_sent(served):
    status, said = served.post("", **{"Content-Length": str(100 * 2**20)})
    assert status == 413
    assert "split it" in said


def test_who_may_only_read_needs_no_more_than_a_question_does(served):
    reader = {"Authorization": f"Bearer {served.tokens['reader']}"}
    assert served.post("", **reader, **{"Content-Length": "600000"})[0] == 413
    assert served.post(**reader)[0] == 200
    assert served.post(PING[:-1] + " " * 600_000 + "}")[0] == 200


def test_a_body_with_two_lengths_is_refused(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as two:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        head += f"Content-Length: 4\r\nAuthorization: Bearer {served.tokens['agent']}\r\n\r\n"
        two.sendall(f"{head}{len(PING):x}\r\n{PING}\r\n0\r\n\r\n{head}".encode())
        said = b""
        while more := two.recv(10_000):
            said += more
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1") == 1  # and what follows is not taken for another request


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off(served):
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * 2**20:
            sent += 2**18
            yield b" " * 2**18

    try:
        status = served.post(endless(), **{"Transfer-Encoding": "chunked"})[0]
    except OSError:  # hung up on while it was still sending
        status = 413
    assert status == 413
    assert sent < 50 * 2**20
    assert served.post()[0] == 200


def test_who_dribbles_is_not_waited_for(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as slow:
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(PING)}\r\n"
        head += f"Authorization: Bearer {served.tokens['agent']}\r\n\r\n"
        slow.sendall(head.encode() + PING[:5].encode())
        started = time.monotonic()
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started >= SLOWEST_BODY_S / 2
        while slow.recv(10_000):
            pass  # hung up


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /mcp HTTP/1.1\r\nHost: local",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_half_a_request_keeps_no_connection(served, monkeypatch, begun):
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as slow:
        slow.sendall(begun)
        if begun:
            time.sleep(0.1)
            slow.sendall(b"h")
        while slow.recv(10_000):
            pass  # hung up


def test_who_does_not_read_his_answers_keeps_no_connection(served, monkeypatch):
    lost = threading.Event()

    def noted(self, exc):
        lost.set()
        super(connection.Connection, self).connection_lost(exc)

    monkeypatch.setattr(connection, "READ_S", 0.3)
    monkeypatch.setattr(connection.Connection, "connection_lost", noted)
    body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\nAccept: application/json\r\n"
    head += f"Authorization: Bearer {served.tokens['agent']}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as deaf:
        deaf.sendall((head + body).encode() * 500)  # 10 MB of answers, more than sockets hold
        assert lost.wait(20), "the server holds on to it"
    assert served.post()[0] == 200


def test_who_reads_slowly_is_waited_for(served, monkeypatch):
    monkeypatch.setattr(connection, "READ_S", 1.5)
    body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\nAccept: application/json\r\n"
    head += f"Authorization: Bearer {served.tokens['agent']}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as slow:
        slow.sendall((head + "\r\n" + body).encode() * 499)
        slow.sendall((head + "Connection: close\r\n\r\n" + body).encode())
        answers = b""
        while part := slow.recv(2**18):
            answers += part
            time.sleep(0.1)
    assert answers.count(b"HTTP/1.1 200") == 500


def test_who_opens_connections_without_end_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(connection.Connection, "most", 8)
    at = ("127.0.0.1", served.port)
    idle = [socket.create_connection(at, timeout=5) for _ in range(30)]  # before HEAD_S is over
    with suppress(ConnectionResetError):  # which is another way to hear it
        assert not idle[-1].recv(1)
    for one in idle:
        one.close()
    monkeypatch.undo()
    assert served.post()[0] == 200


def test_what_is_no_request_does_not_fill_the_log(served, caplog):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as odd:
            odd.sendall(b"\x16\x03\x01 as TLS begins\r\n\r\n")
            assert odd.recv(100).startswith(b"HTTP/1.1 400 ")
    said = [one for one in caplog.records if one.name.startswith("uvicorn")]
    assert len(said) <= 1


def test_a_head_without_end_is_not_kept(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as endless:
        sent = endless.send(b"GET /livez HTTP/1.1\r\n")
        with pytest.raises(OSError):  # noqa: PT012  # how many lines fit into the socket, nobody knows
            while sent < 50 * 2**20:
                sent += endless.send(b"X-More: " + b"x" * 5_000 + b"\r\n")
    assert sent < 50 * 2**20


def test_who_would_rather_speak_http_2_is_answered_as_others_are(served, caplog):
    asked = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {served.tokens['agent']}"}
    wished = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    for more in (wished, {}, wished):
        asked.request("POST", "/mcp", PING, headers | more)
        answer = asked.getresponse()
        assert (answer.status, json.loads(answer.read())["result"]) == (200, {})
    asked.close()
    assert not [one for one in caplog.records if one.name.startswith("uvicorn")]


def test_health_is_told_to_everyone_and_nothing_else_is(served):
    asked = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    asked.request("GET", "/livez", headers={"Host": "pod-17"})
    assert asked.getresponse().read() == b'{"live":true}'
    asked.close()
    assert served.post(path="/livez", Authorization="")[0] == 401


def test_a_token_that_is_taken_back_is_refused_at_once(served, tokens_file):
    path, texts = tokens_file
    before = path.read_text()
    texts["passing"], line = make_token("passing", ["logs:read"])
    mine = f"Bearer {texts['passing']}"
    assert served.post(Authorization=mine)[0] == 401
    add_token(path, line)
    assert served.post(Authorization=mine)[0] == 200
    path.write_text(before + "what is this\n")
    assert served.post(Authorization=mine)[0] == 200  # a slip of the editor changes nothing
    path.write_text(before)
    assert served.post(Authorization=mine)[0] == 401
