"""What passes a tap on HTTP, in both directions, and what is noted of it; all in this process."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from godot.tap.feed import Feed, Kind, Piece, pieces
from godot.tap.http import Proxy
from godot.tap.sse import Events
from tests.certificates import Authority, Terminator

REQUEST = b'{"jsonrpc": "2.0",\n "id": 1, "method": "tools/list"}'
ANSWER = b'{"jsonrpc":"2.0",\n"id":1,"result":{}}'
EVENTS = [
    b'event: message\ndata: {"method":\ndata: "a"}\n\n',
    b': still there\n\ndata: {"id":1}\n\n',
]


class Server(BaseHTTPRequestHandler):
    """Answers with JSON, or with events of which the second waits until `go` is set.

    `/short` breaks its answer off, `/late` waits until the client is gone, `/refused` hangs up
    without having read, and `/moved` is elsewhere.
    """

    protocol_version = "HTTP/1.1"
    go = threading.Event()
    late = threading.Event()
    left = threading.Event()
    seen: dict[str, str] = {}  # noqa: RUF012  # one server a test
    connections = 0

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_POST(self) -> None:
        if self.path == "/refused":
            self.send_error(413)
            return
        if self.path == "/moved":
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        type(self).seen = {
            "path": self.path,
            **dict(self.headers.items()),
            "body": self.rfile.read(int(self.headers["Content-Length"])).decode(),
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mcp-Session-Id", "s-1")
        self.send_header("Content-Length", str(len(ANSWER)))
        if self.path == "/late":
            self.late.set()
            assert self.connection.recv(1) == b""
            self.left.set()
            return
        self.end_headers()
        if self.path == "/short":
            self.wfile.write(ANSWER[:9])
            self.close_connection = True
            return
        self.wfile.write(ANSWER)

    def do_DELETE(self) -> None:
        type(self).seen = dict(self.headers.items())
        self.send_response(404)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(ANSWER)

    do_HEAD = do_DELETE

    def do_GET(self) -> None:
        type(self).seen = dict(self.headers.items())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(EVENTS[0])
        assert self.go.wait(60)
        self.wfile.write(EVENTS[1])


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def noted() -> list[Piece]:
    return []


@pytest.fixture
def client(noted: list[Piece]) -> Iterator[http.client.HTTPConnection]:
    Server.go.clear()
    Server.left.clear()
    Server.connections = 0
    reading, writing = os.pipe()
    feed = Feed(writing)
    reader = threading.Thread(target=lambda: noted.extend(pieces(reading)))
    reader.start()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as port:
        to = urlsplit(f"http://127.0.0.1:{port}/mcp?key=k")
        with serving(Proxy(0, to, feed, propagate=False)) as tap:
            connection = http.client.HTTPConnection("127.0.0.1", tap, timeout=60)
            yield connection
            connection.close()
    feed.close(10)
    reader.join(60)


def lines(noted: list[Piece], kind: Kind) -> list[bytes]:
    return b"".join(p.payload for p in noted if p.kind is kind).splitlines()


def wait_for_two_answers(noted: list[Piece]) -> None:
    while len(lines(noted, Kind.TO_CLIENT)) < 2:
        time.sleep(0.01)


def test_json_passes_with_headers_and_session_on_one_connection(
    client: http.client.HTTPConnection, noted: list[Piece]
):
    for _ in range(2):
        headers = {"Mcp-Session-Id": "s-1", "Authorization": "B x", "Accept-Encoding": "gzip"}
        client.request("POST", "/mcp", REQUEST, headers)
        answer = client.getresponse()
        assert answer.read() == ANSWER
        assert answer.headers["Mcp-Session-Id"] == "s-1"
        assert answer.headers["Content-Type"] == "application/json"
    assert Server.seen["body"] == REQUEST.decode()
    assert Server.seen == Server.seen | headers | {"Accept-Encoding": "identity"}
    assert Server.seen["path"] == "/mcp?key=k"  # of the server's address, where the client has none
    wait_for_two_answers(noted)
    assert [json.loads(line) for line in lines(noted, Kind.TO_SERVER)] == [json.loads(REQUEST)] * 2
    assert [json.loads(line) for line in lines(noted, Kind.TO_CLIENT)] == [json.loads(ANSWER)] * 2


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_other_methods_and_refusals_pass(client: http.client.HTTPConnection, method: str):
    for _ in range(2):
        client.request(method, "/?a=b", headers={"Mcp-Session-Id": "s-9"})
        answer = client.getresponse()
        assert (answer.status, answer.headers["Content-Length"]) == (404, str(len(ANSWER)))
        assert answer.read() == (b"" if method == "HEAD" else ANSWER)
    assert Server.seen["Mcp-Session-Id"] == "s-9"
    assert Server.connections == 1


def test_a_body_in_chunks_passes(client: http.client.HTTPConnection, noted: list[Piece]):
    parts = (REQUEST[:9], REQUEST[9:])
    for _ in range(2):
        client.request("POST", "/?a=b", iter(parts), encode_chunked=True)
        assert client.getresponse().read() == ANSWER
    assert Server.seen["body"] == REQUEST.decode()
    assert Server.seen["path"] == "/mcp?key=k&a=b"
    wait_for_two_answers(noted)
    assert [json.loads(line) for line in lines(noted, Kind.TO_SERVER)] == [json.loads(REQUEST)] * 2


def test_a_server_that_refuses_a_body_unread_is_heard(client: http.client.HTTPConnection):
    client.request("POST", "/refused", b"x" * 8_000_000)
    assert client.getresponse().status == 413


def test_a_client_that_is_sent_elsewhere_on_the_server_stays_behind_the_tap(
    client: http.client.HTTPConnection,
):
    client.request("POST", "/moved", REQUEST)
    assert client.getresponse().headers["Location"] == "/elsewhere"


def test_a_connection_of_the_client_has_one_to_the_server(client: http.client.HTTPConnection):
    for _ in range(3):
        client.request("POST", "/mcp", REQUEST)
        assert client.getresponse().read() == ANSWER
    assert Server.connections == 1
    client.close()
    client.request("POST", "/mcp", REQUEST)
    assert client.getresponse().read() == ANSWER
    assert Server.connections == 2


def test_an_answer_that_breaks_off_does_so_for_the_client_too(client: http.client.HTTPConnection):
    client.request("POST", "/short", REQUEST)
    with pytest.raises(http.client.IncompleteRead) as broken:
        client.getresponse().read()
    assert broken.value.partial == ANSWER[:9]
    client.close()
    client.request("POST", "/mcp", REQUEST)  # and the next one is whole
    assert client.getresponse().read() == ANSWER


def test_a_client_that_leaves_before_the_answer_is_told_to_the_server(
    client: http.client.HTTPConnection, noted: list[Piece]
):
    client.request("POST", "/late", REQUEST)
    client.close()
    assert Server.left.wait(60)
    while not (ended := [piece for piece in noted if b'"ended"' in piece.payload]):
        time.sleep(0.01)
    assert json.loads(ended[0].payload)["ended"]["left"] is True


def test_a_client_that_leaves_a_server_behind_tls_is_told_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority = Authority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    Server.late.clear()
    Server.left.clear()
    reading, writing = os.pipe()
    feed = Feed(writing)
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as port,
        closing(Terminator(port, authority.vouch("localhost"))) as secure,
        serving(
            Proxy(0, urlsplit(f"https://localhost:{secure.port}/mcp"), feed, propagate=False)
        ) as tap,
    ):
        for path in ("/mcp", "/late"):
            with closing(http.client.HTTPConnection("127.0.0.1", tap, timeout=60)) as connection:
                connection.request("POST", path, REQUEST)
                if path == "/mcp":
                    assert connection.getresponse().read() == ANSWER
                else:
                    assert Server.late.wait(60)
        assert Server.left.wait(60)
    feed.close(10)
    os.close(reading)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Length: 60\r\n\r\n{}", b"400"),
        (b"POST /mcp HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /mcp HTTP/1.1\r\nHost: [::1\r\n\r\n", b"400"),
        (b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", b"421"),
    ],
)
def test_half_a_request_or_one_for_another_host_does_not_pass(
    client: http.client.HTTPConnection, head: bytes, status: bytes
):
    with socket.create_connection((client.host, client.port)) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().split()[1] == status
    assert Server.connections == 0


@pytest.mark.parametrize("header", [b"", b"Connection: keep-alive\r\n"])
def test_a_client_of_the_first_version_gets_no_chunks(
    client: http.client.HTTPConnection, header: bytes
):
    Server.go.set()
    with socket.create_connection((client.host, client.port), 30) as connection:
        connection.sendall(b"GET /mcp HTTP/1.0\r\n" + header + b"\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"".join(EVENTS)


def test_events_pass_when_they_come(client: http.client.HTTPConnection, noted: list[Piece]):
    client.request("GET", "/mcp", headers={"Last-Event-ID": "e-7"})
    answer = client.getresponse()
    assert Server.seen["Last-Event-ID"] == "e-7"
    assert answer.read1() == EVENTS[0]  # before the server has the second one
    Server.go.set()
    assert answer.read() == EVENTS[1]
    wait_for_two_answers(noted)
    assert [json.loads(line) for line in lines(noted, Kind.TO_CLIENT)] == [
        {"method": "a"},
        {"id": 1},
    ]


def test_a_server_that_is_away_is_a_bad_gateway():
    reading, writing = os.pipe()
    feed = Feed(writing)
    with serving(Proxy(0, urlsplit("http://127.0.0.1:1/mcp"), feed, propagate=False)) as tap:
        connection = http.client.HTTPConnection("127.0.0.1", tap, timeout=60)
        connection.request("POST", "/mcp", REQUEST)
        assert connection.getresponse().status == 502
        connection.close()
        ended = next(piece for piece in pieces(reading) if b'"ended"' in piece.payload)
    feed.close(10)
    assert "ConnectionRefused" in json.loads(ended.payload)["ended"]["failed"]


def test_a_trace_in_the_headers_is_carried_in_meta():
    reading, writing = os.pipe()
    feed = Feed(writing)
    trace_id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as port,
        serving(Proxy(0, urlsplit(f"http://127.0.0.1:{port}/mcp"), feed, propagate=True)) as tap,
        closing(http.client.HTTPConnection("127.0.0.1", tap, timeout=60)) as connection,
    ):
        connection.request("POST", "/mcp", REQUEST, {"x-trace-id": trace_id})
        assert connection.getresponse().read() == ANSWER
    assert json.loads(Server.seen["body"])["params"]["_meta"]["X-Trace-ID"] == trace_id
    feed.close(10)
    os.close(reading)


def test_events_are_the_same_however_the_bytes_come():
    text = b"".join(EVENTS).replace(b"\n", b"\r\n")
    events = Events()
    found = b"".join(events.add(text[at : at + 1]) for at in range(len(text)))
    assert found == b'{"method": "a"}\n{"id":1}\n'


def test_events_of_another_kind_are_no_messages():
    events = Events()
    assert events.add(b"event: endpoint\ndata: /messages?id=1\n\nevent:\ndata: {}\n\n") == b"{}\n"
