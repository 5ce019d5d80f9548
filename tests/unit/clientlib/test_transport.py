"""The connection of the client, without a server."""

from __future__ import annotations

import socket
import threading

import pytest
from redis._parsers import _RESP2Parser

from clientlib.transport import Transport

PING = b"*1\r\n$4\r\nPING\r\n"


def test_any_number_of_failed_attempts_leaves_the_next_one_free_to_succeed():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    transport = Transport(f"redis://127.0.0.1:{port}/0")
    for _ in range(150):
        answers = transport.exchange([PING])
        assert answers.broken is not None
        assert "Too many connections" not in answers.broken


def answered(said: bytes, commands: int) -> tuple[list[str | None], str | None, bool]:
    """Return replies, what broke, and whether something was told beside the replies.

    The server says its part once `meanwhile` was done.
    """
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                received = b""
                while received.count(PING) < commands:
                    received += client.recv(65_536)
                if done.wait(60):
                    client.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        transport = Transport(f"redis://127.0.0.1:{server.getsockname()[1]}/0?protocol=2")
        try:
            answers = transport.exchange([PING] * commands, 5.0, done.set)
        finally:
            thread.join(60)
            transport.close()
    return answers.replies, answers.broken, transport.told


ID = b"$3\r\n1-0\r\n"
CHANGED = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (ID + ID + ID + b":1\r\n", [None] * 4),
        (ID + b"-OOM full\r\n" + ID + b"-NOPERM no\r\n", [None, "OOM full", None, "NOPERM no"]),
        (b"-ERR first\r\n" + ID + ID + ID, ["first", None, None, None]),
        (ID + CHANGED + ID * 3, [None] * 4),
    ],
)
def test_each_reply_belongs_to_its_command_though_all_come_at_once(said, expected):
    replies, broken, told = answered(said, 4)
    assert broken is None
    assert told == (CHANGED in said)
    assert [reply and reply.split(" ")[-1] for reply in replies] == [
        reply and reply.split(" ")[-1] for reply in expected
    ]


@pytest.mark.parametrize("reason", ["MOVED 3999 127.0.0.1:6381", "ERR no", "NOPERM no right"])
def test_a_refusal_is_told_with_its_code(reason):
    replies, broken, _ = answered(f"-{reason}\r\n".encode() + ID * 3, 4)
    assert (replies, broken) == ([reason, None, None, None], None)


def test_what_was_answered_before_the_connection_broke_counts():
    replies, broken, _ = answered(ID + ID + b"-LOADING wait\r\n" + ID, 4)
    assert replies == [None, None]
    assert broken is not None
    assert "wait" in broken
    replies, broken, _ = answered(ID + ID, 4)
    assert replies == [None, None]
    assert broken is not None


def test_without_hiredis_each_reply_is_read_by_itself(monkeypatch):
    made = Transport._make_pool

    def pool_without_hiredis(self: Transport) -> object:
        pool = made(self)
        pool.connection_kwargs["parser_class"] = _RESP2Parser
        return pool

    monkeypatch.setattr(Transport, "_make_pool", pool_without_hiredis)
    replies, broken, _ = answered(ID + b"-OOM full\r\n" + ID, 3)
    assert broken is None
    assert [reply and reply[-4:] for reply in replies] == [None, "full", None]
