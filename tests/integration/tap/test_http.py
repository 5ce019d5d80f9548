"""What a tap on HTTP records: exchanges, sessions, versions, and a client that leaves."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.tap.conftest import Records, Start


class Server(BaseHTTPRequestHandler):
    """Answers `ping` at once, asks the client `roots/list` in the answer to `ask`, else waits."""

    protocol_version = "HTTP/1.1"
    waits = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked.get("method") == "wait":
            self.waits.set()
            assert self.connection.recv(1) == b""
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        if asked.get("method") == "ask":
            self._say({"id": 0, "method": "roots/list"})
        if "method" in asked:
            self._say({"id": asked["id"], "result": {}})

    def _say(self, message: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n\n")


@pytest.fixture
def upstream() -> Iterator[str]:
    Server.waits.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/mcp"
    server.shutdown()
    thread.join()
    server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_exchanges_are_told_apart_by_session_and_a_client_that_leaves_is_named(
    godot_tap: Start, records: Records, upstream: str
):
    port = free_port()
    tap = godot_tap("--listen", str(port), "--to", upstream)
    assert tap.stderr is not None
    assert f"127.0.0.1:{port}".encode() in tap.stderr.readline()

    def post(session: str, body: dict[str, object]) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        about = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-06-18"}
        connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", **body}), about)
        return connection

    for session, body in (
        ("one", {"id": 1, "method": "ask"}),
        ("two", {"id": 1, "method": "ask"}),
        ("one", {"id": 0, "result": {"roots": []}}),
    ):
        with closing(post(session, body)) as connection:
            connection.getresponse().read()
    leaving = post("two", {"id": 2, "method": "wait"})
    assert Server.waits.wait(60)
    leaving.close()
    records("POST /mcp failed")
    tap.send_signal(signal.SIGINT)
    assert tap.wait(60) == 0

    found = records()
    by_number = {record["data"]["tap"]["n"]: record for record in found}
    messages = [r for r in found if r["data"].get("direction") in ("to_server", "to_client")]
    assert {message["data"]["version"] for message in messages} == {"2025-06-18"}
    asks = [
        r for r in messages if r["data"].get("method") == "ask" and r["data"]["kind"] == "request"
    ]
    roots = [r for r in messages if r["message"] == "request roots/list"]
    assert [ask["trace_id"] for ask in asks] == [each["trace_id"] for each in roots]
    assert asks[0]["trace_id"] != asks[1]["trace_id"]
    [answer] = [r for r in messages if r["message"] == "response roots/list"]
    assert by_number[answer["data"]["of"]] is roots[0]  # not the newest with this id
    [left] = [r["data"] for r in found if "open" in r["data"]]
    assert left["answered"]["left"] is True
    assert by_number[left["open"][0]]["data"]["method"] == "wait"
