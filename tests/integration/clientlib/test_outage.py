from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import redis

from clientlib import ICCMLogger
from godot.embedded.valkey import Valkey
from tests.integration.clientlib.stream import account, messages, read, until
from tests.proxy import Proxy

WARNING, NOTICE = "does not take records", "takes records again"


class Output:
    """What was printed so far: records on stdout, lines on stderr."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.records: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def read(self) -> Output:
        captured = self._capfd.readouterr()
        self.records += [json.loads(line) for line in captured.out.splitlines()]
        self.lines += captured.err.splitlines()
        return self

    @property
    def messages(self) -> list[str]:
        return [record["message"] for record in self.records]


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Output:
    return Output(capfd)


@pytest.fixture
def proxy(own_server: Valkey) -> Iterator[Proxy]:
    proxy = Proxy(own_server.socket)
    yield proxy
    proxy.close()


Make = Callable[..., ICCMLogger]


@pytest.fixture
def logger() -> Iterator[Make]:
    """Make loggers whose senders are abandoned in the end: they would try for ever."""
    made: list[ICCMLogger] = []

    def make(url: str, stream: str, component: str = "api", **more: Any) -> ICCMLogger:
        made.append(ICCMLogger(component, url, "TRACE", stream=stream, flush_timeout_s=1.0, **more))
        return made[-1]

    yield make
    for log in made:
        log._sender._watching = False
        log._sender.forked()  # as if this were a child: everything that waits is another's


def assert_one_outage(output: Output, *, recovered: bool = True) -> None:
    output.read()
    assert sum(WARNING in line for line in output.lines) == 1, output.lines
    assert sum(NOTICE in line for line in output.lines) == recovered, output.lines
    assert len(output.lines) == 1 + recovered, output.lines


def test_a_stopped_server_costs_nothing_that_is_not_named(own_server, stream_name, output, logger):
    log = logger(own_server.url, stream_name, buffer_records=100)
    for i in range(50):
        log.info(f"before {i}")
    assert log.flush(10)
    own_server.stop()
    for i in range(500):
        log.warn(f"during {i}", {"password": "hunter2"})
        if i % 50 == 49:  # the queue is small: let it be taken
            until(lambda: log.stats().queued == 0)
    until(lambda: log.stats().printed == 500 and log.stats().waiting == 100)  # trimmed after that
    assert log.stats().state == "outage"
    own_server.start()
    assert not log.flush(0.0)
    until(lambda: log.stats().state == "delivering" and not log.stats().waiting)
    log.info("after")
    assert log.flush(10)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost, there.receipts) == (151, 400, 1)
    found = messages(own_server.url, stream_name)
    assert found == [
        *(f"before {i}" for i in range(50)),
        "records dropped",
        *(f"during {i}" for i in range(400, 500)),
        "after",
    ]
    assert_one_outage(output)
    assert output.messages == [f"during {i}" for i in range(500)]
    assert output.records[0]["data"] == {"password": "[REDACTED]"}
    assert "hunter2" not in str(output.records)


def test_a_receipt_bears_the_name_of_the_record_that_follows(own_server, stream_name, logger):
    log = logger(own_server.url, stream_name, buffer_records=5)
    other = logger(own_server.url, stream_name, "other", buffer_records=5)
    log.info("first")
    assert log.flush(10)
    own_server.stop()
    for i in range(20):
        other.warn(f"m{i}")
        until(lambda: log.stats().queued == 0)
    own_server.start()
    until(lambda: log.stats().state == "delivering" and not log.stats().waiting)
    found = [(r["component"], r["message"]) for r in read(own_server.url, stream_name)]
    assert found[1:3] == [("other", "records dropped"), ("other", "m15")]


def test_short_outages_one_after_the_other_are_told_each(own_server, stream_name, output, logger):
    log = logger(own_server.url, stream_name)
    for outage in range(3):
        log.info(f"up {outage}")
        assert log.flush(10)
        own_server.stop()
        log.info(f"down {outage}")
        until(partial(_has_printed, log, outage + 1))
        own_server.start()
        assert log.flush(10)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (6, 0)
    output.read()
    assert output.messages == ["down 0", "down 1", "down 2"]
    assert [NOTICE in line for line in output.lines] == [False, True] * 3


def _has_printed(log: ICCMLogger, count: int) -> bool:
    return log.stats().printed == count


def unused_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_nothing_listening_is_an_outage_with_its_reason(stream_name, output, logger):
    log = logger(f"redis://user:geheim@127.0.0.1:{unused_port()}/0", stream_name)
    for i in range(100):
        log.info(f"m{i}")
    until(lambda: log.stats().printed == 100)
    assert not log.flush(0.2)
    assert_one_outage(output, recovered=False)
    assert "refused" in output.lines[0].lower()
    assert "geheim" not in output.lines[0]
    assert output.messages == [f"m{i}" for i in range(100)]


def test_a_program_logs_on_while_what_waits_is_printed(run):
    """Half a buffer makes each call give way to the sender, which shares its turns while it prints.

    Without that one call lasted until 2,000 to 5,500 records had been printed. How soon a call
    comes back is the machine's affair; how much is printed until the sender gives way is ours.
    """
    done = run(
        """
        import sys, time
        from clientlib import ICCMLogger, turns
        log = ICCMLogger("api", "redis://127.0.0.1:1/0")
        shared = [0]

        class Clock:
            monotonic = time.monotonic

            def sleep(pause_s):
                shared.append(log.stats().printed)
                time.sleep(pause_s)

        turns.time = Clock
        while shared[-1] < 20_000:
            log.info("m", {"i": 1})
        print(max(now - before for before, now in zip(shared, shared[1:])), file=sys.stderr)
        """
    )
    (most,) = map(int, filter(str.isdigit, done.stderr.splitlines()))
    assert 0 < most < 1_500, done.stderr


def test_a_name_that_does_not_resolve_is_an_outage(stream_name, output, logger):
    log = logger("redis://no-such-host.invalid:6379/0", stream_name)
    log.info("m")
    until(lambda: log.stats().printed == 1)
    assert_one_outage(output, recovered=False)
    assert "no-such-host.invalid" in output.lines[0]


def test_a_wrong_password_is_told_without_showing_it(own_server, stream_name, output, logger):
    with redis.Redis.from_url(own_server.url) as admin:
        admin.config_set("requirepass", "right")
    log = logger(own_server.url.replace("unix://", "unix://:wrong-geheim@"), stream_name)
    log.info("m")
    until(lambda: log.stats().printed == 1)
    assert_one_outage(output, recovered=False)
    assert "WRONGPASS" in output.lines[0] or "password" in output.lines[0]
    assert "geheim" not in output.lines[0]


def test_a_server_that_accepts_and_never_answers_is_an_outage(stream_name, output, logger):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        log = logger(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", stream_name)
        longest_s = 0.0
        for i in range(100):
            start = time.perf_counter()
            log.info(f"m{i}")
            longest_s = max(longest_s, time.perf_counter() - start)
        until(lambda: log.stats().printed == 100)
        assert longest_s < 1.0  # far below the answer's timeout: nobody waited for it
    assert_one_outage(output, recovered=False)
    assert "imeout" in output.lines[0]


Fault = tuple[Callable[["redis.Redis", str], object], Callable[["redis.Redis", str], object], str]
FAULTS: dict[str, Fault] = {
    "full": (
        lambda r, _: r.config_set("maxmemory", "1mb"),
        lambda r, _: r.config_set("maxmemory", "512mb"),
        "maxmemory",
    ),
    "read-only replica": (
        lambda r, _: r.execute_command("REPLICAOF", "127.0.0.1", "1"),
        lambda r, _: r.execute_command("REPLICAOF", "NO", "ONE"),
        "read only",
    ),
    "wrong type": (
        lambda r, stream: (r.rename(stream, f"{stream}:kept"), r.set(stream, "x")),
        lambda r, stream: r.rename(f"{stream}:kept", stream),
        "WRONGTYPE",
    ),
    "no right": (
        lambda r, _: r.execute_command("ACL", "SETUSER", "default", "-xadd"),
        lambda r, _: r.execute_command("ACL", "SETUSER", "default", "+xadd"),
        "permission",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_server_that_refuses_is_an_outage_until_it_accepts(
    name, own_server, stream_name, output, logger
):
    inflict, heal, reason = FAULTS[name]
    log = logger(own_server.url, stream_name, buffer_records=50)
    with redis.Redis.from_url(own_server.url) as admin:
        log.info("before")
        assert log.flush(10)
        inflict(admin, stream_name)
        for i in range(200):
            log.error(f"during {i}")
            if i % 20 == 19:
                until(lambda: log.stats().queued == 0)
        until(lambda: log.stats().printed == 200)
        assert not log.flush(0.5)  # further attempts, further refusals
        heal(admin, stream_name)
    until(lambda: log.stats().state == "delivering" and not log.stats().waiting)
    log.info("after")
    assert log.flush(10)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (52, 150)
    assert messages(own_server.url, stream_name)[-51:] == [
        *(f"during {i}" for i in range(150, 200)),
        "after",
    ]
    assert_one_outage(output)
    assert reason in output.lines[0]
    assert output.messages == [f"during {i}" for i in range(200)]


def proxied(proxy: Proxy, timeout_s: int = 1) -> str:
    """Return the proxy's address; `timeout_s` is how long an answer is waited for."""
    return f"redis://127.0.0.1:{proxy.port}/0?socket_timeout={timeout_s}"


def test_lost_answers_make_second_arrivals_with_the_same_ids(
    own_server, proxy, stream_name, output, logger
):
    log = logger(proxied(proxy), stream_name)
    log.info("before")
    assert log.flush(10)
    until(lambda: log._sender._watch._ask_at)  # the levels are read: only records are under way
    proxy.swallow_replies = True
    for i in range(100):
        log.info(f"during {i}")
    until(lambda: log.stats().printed == 100)
    proxy.swallow_replies = False
    proxy.cut()
    assert log.flush(20)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (101, 0)
    assert there.entries > 101  # the server took them before, too
    assert_one_outage(output)


def test_a_connection_that_hangs_is_given_up_and_made_anew(
    own_server, proxy, stream_name, output, logger
):
    log = logger(proxied(proxy), stream_name)
    log.info("before")
    assert log.flush(10)
    proxy.stall = True
    log.info("during")
    until(lambda: log.stats().printed == 1)
    proxy.stall = False
    assert log.flush(20)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (2, 0)
    assert_one_outage(output)


def test_a_connection_cut_again_and_again_loses_nothing(own_server, proxy, stream_name, logger):
    log = logger(proxied(proxy, timeout_s=60), stream_name)
    for i in range(2_000):
        log.info(f"m{i}")
        if i % 100 == 0:
            proxy.cut()
            until(lambda: log.stats().queued < 1_000)
    assert log.flush(20)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (2_000, 0)


def test_an_idle_connection_that_was_closed_is_no_outage(own_server, stream_name, output, logger):
    log = logger(own_server.url, stream_name)
    with redis.Redis.from_url(own_server.url) as admin:
        for i in range(3):
            log.info(f"m{i}")
            assert log.flush(10)
            admin.execute_command("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
    log.info("m3")
    assert log.flush(10)
    assert messages(own_server.url, stream_name) == ["m0", "m1", "m2", "m3"]
    output.read()
    assert (output.records, output.lines) == ([], [])
    assert log.stats().outages == 0


def test_bytes_bound_what_is_kept(own_server, stream_name, logger):
    log = logger(own_server.url, stream_name, buffer_records=10_000, buffer_bytes=1_000_000)
    log.info("before")
    assert log.flush(10)
    own_server.stop()
    for i in range(200):
        log.warn(f"{i} " + "x" * 20_000)
        until(lambda: log.stats().queued < 1_000)  # slots of 100 bytes: five such records
    until(lambda: log.stats().printed == 200 and log.stats().waiting <= 50)  # trimmed after that
    assert log.stats().waiting >= 40
    own_server.start()
    until(lambda: log.stats().state == "delivering" and not log.stats().waiting)
    assert log.flush(10)
    there = account(own_server.url, stream_name)
    there.assert_balanced()
    assert there.records + there.lost == 201
