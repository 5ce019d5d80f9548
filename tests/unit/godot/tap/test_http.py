"""What passes a tap on HTTP, in both directions, and what is noted of it; all in this process."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from godot.tap.feed import Feed, Kind, Piece, pieces
from godot.tap.http import Proxy
from godot.tap.sse import Events

REQUEST = b'{"jsonrpc": "2.0",\n "id": 1, "method": "tools/list"}'
ANSWER = b'{"jsonrpc":"2.0",\n"id":1,"result":{}}'
EVENTS = [
    b'event: message\ndata: {"method":\ndata: "a"}\n\n',
    b': still there\n\ndata: {"id":1}\n\n',
]


class Server(BaseHTTPRequestHandler):
    """Answers with JSON, or with events of which the second waits until `go` is set."""

    protocol_version = "HTTP/1.1"
    go = threading.Event()
    seen: dict[str, str] = {}  # noqa: RUF012  # one server a test

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        type(self).seen = {
            **dict(self.headers.items()),
            "body": self.rfile.read(int(self.headers["Content-Length"])).decode(),
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mcp-Session-Id", "s-1")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(EVENTS[0])
        assert self.go.wait(30)
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
    reading, writing = os.pipe()
    feed = Feed(writing)
    reader = threading.Thread(target=lambda: noted.extend(pieces(reading)))
    reader.start()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as port:
        to = urlsplit(f"http://127.0.0.1:{port}/mcp")
        with serving(Proxy(0, to, feed, propagate=False)) as tap:
            connection = http.client.HTTPConnection("127.0.0.1", tap, timeout=30)
            yield connection
            connection.close()
    feed.close(10)
    reader.join(10)


def lines(noted: list[Piece], kind: Kind) -> list[bytes]:
    return b"".join(p.payload for p in noted if p.kind is kind).splitlines()


def wait_for_two_answers(noted: list[Piece]) -> None:
    while len(lines(noted, Kind.TO_CLIENT)) < 2:
        time.sleep(0.01)


def test_json_passes_with_headers_and_session_on_one_connection(
    client: http.client.HTTPConnection, noted: list[Piece]
):
    for _ in range(2):
        client.request("POST", "/mcp", REQUEST, {"Mcp-Session-Id": "s-1", "Authorization": "B x"})
        answer = client.getresponse()
        assert answer.read() == ANSWER
        assert answer.headers["Mcp-Session-Id"] == "s-1"
        assert answer.headers["Content-Type"] == "application/json"
    assert Server.seen["body"] == REQUEST.decode()
    assert (Server.seen["Mcp-Session-Id"], Server.seen["Authorization"]) == ("s-1", "B x")
    wait_for_two_answers(noted)
    assert [json.loads(line) for line in lines(noted, Kind.TO_SERVER)] == [json.loads(REQUEST)] * 2
    assert [json.loads(line) for line in lines(noted, Kind.TO_CLIENT)] == [json.loads(ANSWER)] * 2


def test_events_pass_when_they_come(client: http.client.HTTPConnection, noted: list[Piece]):
    client.request("GET", "/mcp", headers={"Accept": "text/event-stream"})
    answer = client.getresponse()
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
        connection = http.client.HTTPConnection("127.0.0.1", tap, timeout=30)
        connection.request("POST", "/mcp", REQUEST)
        assert connection.getresponse().status == 502
        connection.close()
        ended = next(piece for piece in pieces(reading) if b'"ended"' in piece.payload)
    feed.close(10)
    assert "ConnectionRefused" in json.loads(ended.payload)["ended"]["failed"]


def test_events_are_the_same_however_the_bytes_come():
    text = b"".join(EVENTS).replace(b"\n", b"\r\n")
    events = Events()
    found = b"".join(events.add(text[at : at + 1]) for at in range(len(text)))
    assert found == b'{"method": "a"}\n{"id":1}\n'
