"""Which Redis URLs a direct connection understands, held against redis-py's own reading."""

from __future__ import annotations

import pytest
import redis

from godot.stream.direct import Direct, address

USUAL = (
    "redis://127.0.0.1:6379/0",
    "redis://redis",
    "redis://[::1]:7000/3",
    "redis://redis:6380?db=4",
    "redis://redis:6380/2?db=4",
    "redis://:p%40ss%2Fword@redis:6379",
    "redis://us%3Aer:secret@redis:6379/",
    "unix:///run/valkey%20here/valkey.sock",
    "unix:///run/valkey.sock?db=5",
    "unix://user:p%3Fss@/run/valkey.sock?db=0",
)
UNUSUAL = (
    "rediss://redis:6379/0",
    "redis://redis:6379/0?protocol=2",
    "redis://redis:6379/0?socket_timeout=1&db=1",
    "redis://user@redis:6379/0",
    "unix:///run/valkey.sock?password=secret",
)


@pytest.mark.parametrize("url", USUAL)
def test_a_usual_url_is_read_as_redis_py_reads_it(url: str):
    read = address(url)
    assert read is not None
    theirs = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert read.path == theirs.get("path", "")
    if not read.path:
        assert read.host == theirs.get("host", "localhost")
        assert read.port == theirs.get("port", 6379)
    assert read.username == (theirs.get("username") or "default")
    assert read.password == (theirs.get("password") or "")
    assert read.database == theirs.get("db", 0)


@pytest.mark.parametrize("url", UNUSUAL)
def test_what_a_url_asks_for_beyond_that_is_left_to_redis_py(url: str):
    assert address(url) is None


def test_closing_what_was_never_opened_does_nothing():
    usual = address(USUAL[0])
    assert usual is not None
    Direct(usual).close()
