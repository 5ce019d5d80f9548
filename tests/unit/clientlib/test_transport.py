"""The connection of the client, without a server."""

from __future__ import annotations

import socket

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
