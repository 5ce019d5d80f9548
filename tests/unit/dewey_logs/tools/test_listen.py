from __future__ import annotations

import socket

import pytest

from dewey_logs.tools import CannotListen, allow, bind, is_loopback, url_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_what_only_this_machine_reaches(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "localhost."])
def test_everything_else_is_refused_by_the_variables_name(host: str):
    with pytest.raises(CannotListen, match=f"GODOT_HOST={host}"):
        allow(host, None, (), prefix="GODOT")


def test_a_name_that_can_be_none_is_refused():
    with pytest.raises(CannotListen, match="GODOT_ALLOWED_HOSTS: 'http://a'"):
        allow("127.0.0.1", None, ("b:80", "http://a"), prefix="GODOT")


def test_a_port_in_use_is_named_with_its_variable():
    with bind("127.0.0.1", 0, prefix="DEWEY") as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"DEWEY_MCP_PORT={port} .*already"):
            bind("127.0.0.1", port, prefix="DEWEY")


def test_the_socket_names_its_protocol_or_asyncio_leaves_nagle_on():
    with bind("localhost", 0, prefix="GODOT") as bound:
        assert bound.proto == socket.IPPROTO_TCP
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}/mcp"
