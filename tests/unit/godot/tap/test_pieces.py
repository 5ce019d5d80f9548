"""The parts of the tap that need no process: lines, messages, pairs, the feed, names."""

from __future__ import annotations

import os
import threading

import msgspec
import pytest

from clientlib import Redactor
from godot.tap import feed as feeding
from godot.tap import lines as cutting
from godot.tap import pairing as pairs
from godot.tap import stdio
from godot.tap.feed import Feed, Kind, lost, pieces
from godot.tap.jsonrpc import Form, read
from godot.tap.lines import Lines
from godot.tap.naming import name_of
from godot.tap.pairing import Link, Pairing, Place
from godot.tap.pump import READ_BYTES, pump
from godot.tap.recorder import without_secrets

TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_lines_are_the_same_however_the_bytes_come():
    text = b"one\r\ntwo\n\nthree"
    for size in range(1, len(text) + 1):
        lines = Lines()
        found: list[cutting.Line] = []
        for at in range(0, len(text), size):
            found += lines.add(text[at : at + size])
        found += lines.rest()
        assert [line.text for line in found] == [b"one", b"two", b"", b"three"]


def test_a_line_beyond_the_bound_is_counted_but_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cutting, "MAX_LINE_BYTES", 4)
    found = list(Lines().add(b"123456789\nnext\n"))
    assert found == [(b"1234", 9, False), (b"next", 4, True)]


def test_lost_bytes_spoil_their_own_line_alone():
    lines = Lines()
    assert not list(lines.add(b'{"a"'))
    lines.lose(100)
    assert list(lines.add(b"end\nnext\n")) == [(b'{"a"end', 107, False), (b"next", 4, True)]


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        (b'{"id":1,"method":"ping"}', [Form.REQUEST]),
        (b'{"method":"ping"}', [Form.NOTIFICATION]),
        (b'{"id":1,"result":null}', [Form.RESPONSE]),
        (b'{"id":1,"error":{}}', [Form.ERROR]),
        (b'[{"id":1,"result":1},{"method":"x"}]', [Form.RESPONSE, Form.NOTIFICATION]),
        (b"[]", [Form.OTHER]),
        (b"NaN", [Form.OTHER]),
        (b"[" * 100_000, [Form.OTHER]),
        (b'{"result":"%s","id":7}' % (b"x" * 300_000), [Form.RESPONSE]),
        (b'{"id":7,"method":"m","params":"%s"}' % (b"x" * 300_000), [Form.REQUEST]),
        (b'{"error":"%s","id":7}' % (b"x" * 300_000), [Form.ERROR]),
        (
            b'[{"id":7,"result":"%s"},{"method":"x"},[]]' % (b"x" * 300_000),
            [Form.RESPONSE, Form.NOTIFICATION, Form.OTHER],
        ),
        (b"[" + b" " * 300_000 + b"]", [Form.OTHER]),
        (b'{"id":7,"result":"half a smile: \\ud83d"}', [Form.RESPONSE]),
        (b'{"id":7,"result":"%s\\ud83d"}' % (b"x" * 300_000), [Form.RESPONSE]),
        (b'{"id":7,"result":NaN,"x":"\\ud83d"}', [Form.OTHER]),
    ],
)
def test_a_message_is_what_its_members_say(text: bytes, forms: list[Form]):
    found = read(text)
    assert [message.form for message in found] == forms
    if len(text) > 200_000:
        assert found[0].is_head
        assert isinstance(found[0].shown, str)
        assert found[0].id == (None if forms == [Form.OTHER] else 7)
    assert all(each.batch for each in found) is (len(forms) > 1)


STDIO = Place()


def linked(pairing: Pairing, kind: Kind, text: str, place: Place = STDIO, n: int = 1) -> Link:
    return pairing.link(kind, place, 0, read(text.encode())[0], n)


def test_of_a_large_message_what_pairs_it_is_read():
    filling = "x" * 300_000
    params = (
        f'"_meta":{{"traceparent":"{PARENT}","progressToken":5}},"name":"write","text":"{filling}"'
    )
    pairing = Pairing()
    request = f'{{"id":7,"method":"tools/call","params":{{{params}}}}}'
    assert linked(pairing, Kind.TO_SERVER, request).trace_id == TRACE
    progress = '{"method":"notifications/progress","params":{"progressToken":5}}'
    assert linked(pairing, Kind.TO_CLIENT, progress).trace_id == TRACE
    [answer] = read(f'{{"id":7,"result":{{"content":"{filling}","isError":true}}}}'.encode())
    assert answer.is_error
    found = pairing.link(Kind.TO_CLIENT, Place(), 0, answer, 3).asked
    assert found is not None
    assert found.tool == "write"
    assert not read(f'{{"id":7,"result":["{filling}"]}}'.encode())[0].is_error


def test_a_large_list_is_taken_apart():
    tools = [{"name": f"t{n}", "inputSchema": {"description": "x" * 70_000}} for n in range(5)]
    message = {"jsonrpc": "2.0", "id": 7, "result": {"tools": tools, "nextCursor": "c"}}
    [found] = read(msgspec.json.encode(message))
    assert (found.form, found.id) == (Form.RESPONSE, 7)
    assert found.shown == {"jsonrpc": "2.0", "id": 7, "result": {"nextCursor": "c"}}
    assert found.parts == [{"tools": tools[:2]}, {"tools": tools[2:4]}, {"tools": tools[4:]}]
    for changed in (
        {"tools": [{"name": "x" * 300_000}]},  # no record has room for it
        {"tools": tools, "prompts": []},
        {"tools": "x" * 300_000},
        {"tools": tools * 20},
    ):
        [found] = read(msgspec.json.encode({"id": 7, "result": changed}))
        assert found.is_head
        assert not found.parts


def test_ids_of_another_type_direction_or_exchange_are_other_requests():
    pairing = Pairing()
    asked = linked(pairing, Kind.TO_SERVER, '{"id":1,"method":"a"}')
    linked(pairing, Kind.TO_CLIENT, '{"id":1,"method":"b"}')
    assert linked(pairing, Kind.TO_CLIENT, '{"id":"1","result":1}').asked is None
    answered = linked(pairing, Kind.TO_CLIENT, '{"id":1,"result":1}')
    assert answered.asked is not None
    assert (answered.asked.method, answered.trace_id) == ("a", asked.trace_id)
    assert linked(pairing, Kind.TO_CLIENT, '{"id":1,"result":1}').asked is None
    assert pairing.unanswered == 1


def test_an_id_has_no_other_spellings_and_one_that_is_used_twice_is_answered_in_order():
    pairing = Pairing()
    first = linked(pairing, Kind.TO_SERVER, '{"id":1.0,"method":"a"}', n=1)
    again = linked(pairing, Kind.TO_SERVER, '{"id":1,"method":"b"}', n=2)
    assert (first.reused, again.reused, pairing.unanswered) == (False, True, 2)
    cancelled = '{"method":"notifications/cancelled","params":{"requestId":1}}'
    for kind, text, n in (
        (Kind.TO_SERVER, cancelled, 2),
        (Kind.TO_CLIENT, '{"id":1,"result":1}', 1),
        (Kind.TO_CLIENT, '{"id":1.0,"result":1}', 2),
    ):
        asked = linked(pairing, kind, text).asked
        assert asked is not None
        assert asked.number == n
    assert not pairing.unanswered
    assert not linked(pairing, Kind.TO_SERVER, '{"id":1,"method":"c"}').reused


def test_requests_that_nobody_answers_are_forgotten_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pairs, "MAX_OPEN", 2)
    pairing = Pairing()
    for n in (1, 2, 2, 3):
        linked(pairing, Kind.TO_SERVER, f'{{"id":{n},"method":"a"}}', n=n)
    assert pairing.unanswered == 2
    assert linked(pairing, Kind.TO_CLIENT, '{"id":1,"result":1}').asked is None
    assert linked(pairing, Kind.TO_CLIENT, '{"id":3,"result":1}').asked is not None


def test_clients_that_number_alike_are_told_apart_by_exchange_and_session():
    pairing = Pairing()
    meta = '"params":{"_meta":{"progressToken":1}}'
    for n, session in enumerate(("one", "two"), 1):
        place = Place(n, session)
        linked(pairing, Kind.TO_SERVER, f'{{"id":1,"method":"{session}",{meta}}}', place, n)
    progress = '{"method":"notifications/progress","params":{"progressToken":1}}'
    cancelled = '{"method":"notifications/cancelled","params":{"requestId":1}}'
    for link, method in (
        (linked(pairing, Kind.TO_CLIENT, progress, Place(2, "two")), "two"),
        (linked(pairing, Kind.TO_CLIENT, progress, Place(8, "one")), "one"),
        (linked(pairing, Kind.TO_SERVER, cancelled, Place(9, "one")), "one"),
        (linked(pairing, Kind.TO_SERVER, cancelled, Place(9, "two")), "two"),
        (linked(pairing, Kind.TO_CLIENT, '{"id":1,"result":1}', Place(2, "two")), "two"),
        (linked(pairing, Kind.TO_CLIENT, '{"id":1,"result":1}', Place(8, "one")), "one"),
    ):
        assert link.asked is not None
        assert link.asked.method == method
    assert linked(pairing, Kind.TO_SERVER, cancelled, Place(9, "three")).asked is None


def test_an_error_without_an_id_answers_the_request_of_its_exchange():
    pairing = Pairing()
    linked(pairing, Kind.TO_SERVER, '{"id":1,"method":"a"}', Place(1))
    linked(pairing, Kind.TO_SERVER, '{"id":2,"method":"b"}', Place(2))
    refused = '{"id":null,"error":{}}'
    assert [asked.method for asked in pairing.open_in(2)] == ["b"]
    found = linked(pairing, Kind.TO_CLIENT, refused, Place(2)).asked
    assert found is not None
    assert found.method == "b"
    assert not pairing.open_in(2)
    assert linked(pairing, Kind.TO_CLIENT, refused, Place(2)).asked is None


def test_a_trace_is_taken_from_the_request_and_given_to_all_that_belongs_to_it():
    pairing = Pairing()

    def trace(kind: Kind, text: str):
        return linked(pairing, kind, text).trace_id

    meta = f'"_meta":{{"traceparent":"{PARENT}","progressToken":5}}'
    assert trace(Kind.TO_SERVER, f'{{"id":1,"method":"a","params":{{{meta}}}}}') == TRACE
    progress = '{"method":"notifications/progress","params":{"progressToken":5}}'
    assert trace(Kind.TO_CLIENT, progress) == TRACE
    cancelled = '{"method":"notifications/cancelled","params":{"requestId":1}}'
    assert trace(Kind.TO_SERVER, cancelled) == TRACE
    assert trace(Kind.TO_CLIENT, '{"method":"notifications/message"}') is None
    assert trace(Kind.TO_CLIENT, '{"id":1,"result":{}}') == TRACE


def test_a_secret_among_the_words_of_a_command_is_masked():
    command = ["server", "--token", "abc", "--port", "1", "--api-key=xyz", "-v", "last"]
    found = without_secrets({"command": command}, Redactor())["command"]
    assert found == [
        "server",
        "--token",
        "[REDACTED]",
        "--port",
        "1",
        "--api-key=[REDACTED]",
        *command[6:],
    ]
    assert without_secrets({"to": "http://x"}, Redactor()) == {"to": "http://x"}


def test_a_slow_reader_loses_bytes_and_is_told_how_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeding, "MAX_HELD_BYTES", 200_000)
    reading, writing = os.pipe()
    feed = Feed(writing)
    for _ in range(10):
        feed.put(Kind.TO_SERVER, b"x" * 100_000)
    read_so_far: list[feeding.Piece] = []
    thread = threading.Thread(target=lambda: read_so_far.extend(pieces(reading)))
    thread.start()
    while feed._held:
        pass
    feed.put(Kind.TO_SERVER, b"last")
    feed.close(10)
    thread.join(60)

    *kept, told, last = read_so_far
    assert last.payload == b"last"
    assert told.kind is Kind.LOST
    assert lost(told) == (Kind.TO_SERVER, 1_000_000 - 100_000 * len(kept))


def test_what_is_lost_is_told_in_the_end_and_what_is_about_an_exchange_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(feeding, "MAX_HELD_BYTES", 0)
    reading, writing = os.pipe()
    feed = Feed(writing)
    feed.put(Kind.TO_CLIENT, b"12345", 7)
    feed.put(Kind.ABOUT, b"{}", 7)
    feed.put(Kind.TO_SERVER, b"123", 8)
    feed.close(10)
    found = list(pieces(reading))
    assert [(piece.kind, piece.channel) for piece in found] == [
        *((Kind.LOST, 7), (Kind.ABOUT, 7), (Kind.LOST, 8)),
    ]
    assert [lost(found[0]), lost(found[2])] == [(Kind.TO_CLIENT, 5), (Kind.TO_SERVER, 3)]


def test_a_reader_that_is_gone_ends_the_recording_only():
    reading, writing = os.pipe()
    os.close(reading)
    feed = Feed(writing)
    feed.put(Kind.STDERR, b"x")
    feed.close(10)
    assert feed._held == 0


def test_who_reads_ahead_frees_the_writer_and_holds_no_more_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(feeding, "MAX_HELD_BYTES", 10 << 20)
    reading, writing = os.pipe()
    feed = Feed(writing)
    over = threading.Event()
    found = feeding.pieces_ahead(reading, over.set)
    feed.put(Kind.STDERR, b"first")
    assert next(found).payload == b"first"
    for _ in range(64):
        feed.put(Kind.STDERR, bytes(1 << 16))
    feed.close(10)
    assert over.wait(60)  # though nobody has taken what is more than a pipe holds
    assert sum(len(piece.payload) for piece in found) == 64 << 16

    monkeypatch.setattr(feeding, "MAX_HELD_BYTES", 1)
    reading, writing = os.pipe()
    over.clear()
    taking = feeding.pieces_ahead(reading, over.set)
    for n in range(3):
        os.write(writing, feeding._HEAD.pack(Kind.STDERR, 0, n, 0))
    os.close(writing)
    assert next(taking).at_ns == 0
    assert not over.wait(0.05)
    assert [piece.at_ns for piece in taking] == [1, 2]
    assert over.is_set()


def test_what_a_killed_writer_left_half_written_counts_as_far_as_it_can_be_read():
    head = feeding._HEAD
    for kind, payload in ((Kind.STDERR, b"abc"), (Kind.ABOUT, b'{"ended"'), (Kind.LOST, b"\1")):
        reading, writing = os.pipe()
        os.write(writing, head.pack(kind, 0, 0, 100) + payload)
        os.close(writing)
        assert [piece.payload for piece in pieces(reading)] == [payload] * (kind is Kind.STDERR)


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for():
    (source, written), (read, sink) = os.pipe(), os.pipe()
    os.set_blocking(sink, False)
    sent = os.urandom(1 << 20)
    noted: list[bytes] = []
    passing = threading.Thread(target=pump, args=(source, sink, noted.append))
    passing.start()

    def write() -> None:
        with os.fdopen(written, "wb") as file:
            file.write(sent)

    writing = threading.Thread(target=write)
    writing.start()
    while len(noted) * READ_BYTES < len(sent) // 8:  # the pipe is full: nobody has read
        pass
    with os.fdopen(read, "rb") as file:
        assert file.read() == sent
    for thread in (writing, passing):
        thread.join(60)
    assert b"".join(noted) == sent


def test_what_a_dead_server_said_waits_for_its_client_though_a_child_holds_the_pipe(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(stdio, "IDLE_S", 0.01)
    (source, held), (read, sink) = os.pipe(), os.pipe()
    os.write(sink, bytes(65_536))  # it is full
    noted: list[bytes] = []
    passing = stdio._pass(source, sink, noted.append)
    os.write(held, b"last words")
    while not noted:
        pass
    draining = threading.Thread(target=stdio._drain, args=(passing,))
    draining.start()
    draining.join(0.1)
    assert draining.is_alive()
    assert os.read(read, 65_536) == bytes(65_536)
    draining.join(60)
    assert not draining.is_alive()  # though the pipe may still bring something
    assert os.read(read, 65_536) == b"last words"
    os.close(held)
    passing.thread.join(60)
    os.close(read)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["npx", "-y", "@modelcontextprotocol/server-everything", "stdio"], "server-everything"),
        (["/usr/bin/python3.12", "-m", "pkg.server"], "pkg.server"),
        (["uv", "run", "tools/server.py"], "server"),
        (["npx", "-y", "@scope/files@latest", "/srv"], "files"),
        (["uvx", "mcp-server-time==1.2"], "mcp-server-time"),
        (["./my-server", "--port", "1"], "my-server"),
        (["node"], "node"),
        (["sh", "-c", "pg_dump app | gzip"], "pg_dump"),
    ],
)
def test_a_server_is_named_by_what_it_runs(command: list[str], name: str):
    assert name_of(command) == name
