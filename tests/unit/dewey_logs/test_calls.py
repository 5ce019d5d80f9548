"""What an answer, or none, means to whoever calls a Dewey."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dewey_logs import (
    BadAddress,
    BadFilter,
    DeweyError,
    LogFilter,
    QueryTimeout,
    SchemaProblem,
    TooLarge,
    TooSlow,
    Unanswered,
    Unavailable,
    Unclassified,
    Unreachable,
)
from dewey_logs.calls import Calls
from dewey_logs.dialogue import FAILED, MAX_BODY_BYTES, error_of, failure_of
from dewey_logs.remote import RemoteStore


class Scripted(ThreadingHTTPServer):
    """Answers every POST with what `said` is; counts the connections that were made."""

    daemon_threads = True
    status = 200
    said: Any = None
    silent_s = 0.0
    connections = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.silent_s)
        if self.server.silent_s:  # nobody waits any more
            self.close_connection = True
            return
        body = json.dumps(self.server.said).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def calls(server: Scripted) -> Iterator[Calls]:
    made = Calls(f"http://127.0.0.1:{server.server_port}/mcp", "t")
    yield made
    made.close()


def ask(calls: Calls, timeout_s: float = 10.0) -> str:
    return calls.call("dewey_ask", b"{}", timeout_s=timeout_s)


def result(text: str, **more: object) -> dict[str, object]:
    return {"result": {"content": [{"type": "text", "text": text}], **more}}


def test_a_connection_is_kept_and_used_again(server, calls):
    server.said = result("yes")
    assert [ask(calls) for _ in range(5)] == ["yes"] * 5
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(server, calls):
    server.said = result("yes")
    ask(calls)
    (kept,) = calls._idle
    kept.sock.shutdown(2)
    assert ask(calls) == "yes"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (413, TooLarge),
        (401, SchemaProblem),
        (403, SchemaProblem),
        (404, SchemaProblem),
        (421, SchemaProblem),
        (429, Unavailable),
        (408, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
@pytest.mark.parametrize("said", [{"error": "because"}, {"error": {"message": "because"}}, "<h1>"])
def test_a_refusal_says_whose_matter_it_is(server, calls, status, error, said):
    server.status, server.said = status, said
    with pytest.raises(DeweyError) as caught:
        ask(calls)
    assert type(caught.value) is error
    assert ("HTTP" if said == "<h1>" else "because") in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("away"),
        Unreachable("silent"),
        Unanswered("busy"),
        TooSlow("1000 records"),
        Unclassified("ZZ001", "who knows"),
        SchemaProblem("not migrated"),
        BadFilter("since=soon"),
        QueryTimeout("narrow it"),
        DeweyError("no"),
    ],
)
def test_an_error_arrives_as_what_it_was(server, calls, error):
    failure = failure_of(error)
    meta = {name: getattr(failure, name) for name in failure.__struct_fields__}
    server.said = result(str(error), isError=True, _meta={FAILED: meta})
    with pytest.raises(DeweyError) as caught:
        ask(calls)
    assert type(caught.value) is type(error)
    assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))


def test_an_error_that_does_not_say_what_it_is_may_be_a_records_doing(server, calls):
    server.said = result("Error executing tool x", isError=True)
    with pytest.raises(Unclassified, match="Error executing"):
        ask(calls)


def test_a_server_that_knows_no_answer_is_an_outage(server, calls):
    server.said = {"error": {"code": -32603, "message": "internal"}}
    with pytest.raises(Unavailable, match="internal"):
        ask(calls)


def test_silence_is_no_answer(server, calls):
    server.silent_s, server.said = 1.0, result("late")
    with pytest.raises(Unanswered, match="no answer in time"):
        ask(calls, timeout_s=0.1)


def test_who_waits_is_told_to_wait_no_longer(server, calls):
    server.silent_s, server.said = 2.0, result("late")
    threading.Timer(0.2, calls.hang_up).start()
    with pytest.raises(Unreachable):
        ask(calls)


def test_what_is_too_large_is_not_even_sent(server, calls):
    with pytest.raises(TooLarge):
        calls.call("x", b" " * MAX_BODY_BYTES, timeout_s=1.0)
    assert server.connections == 0


def test_a_question_that_is_no_valid_unicode_is_never_sent():
    store = RemoteStore("http://127.0.0.1:1/mcp", token=None, statement_timeout_s=5.0)
    with store, pytest.raises(BadFilter, match="no valid Unicode"):
        store.query(LogFilter(search="\udcff"))


def test_nobody_there_is_an_outage():
    with pytest.raises(Unreachable, match=r"Dewey at 127\.0\.0\.1:1 cannot be reached"):
        ask(Calls("http://127.0.0.1:1/mcp", None))


@pytest.mark.parametrize("url", ["http:///mcp", "http://u:p@h/mcp", "http://h:port/mcp"])
def test_a_url_that_cannot_be_used_is_told_at_once(url):
    with pytest.raises(BadAddress):
        Calls(url, None)


def test_an_error_of_a_kind_that_is_not_known_here_is_one_all_the_same():
    failure = failure_of(DeweyError("x"))
    assert type(error_of(type(failure)("OfTomorrow", "x"))) is DeweyError
