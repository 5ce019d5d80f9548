from __future__ import annotations

import _thread
import json
import math
import threading
from collections.abc import Callable

import pytest
import redis

from clientlib import ICCMLogger, parse_record_id
from tests.integration.clientlib.stream import account, messages, read
from tests.unit.clientlib.test_vectors import expected, for_loggers

MakeLogger = Callable[..., ICCMLogger]


def test_records_arrive_exactly_as_the_vectors_say(make_logger, redis_url, stream_name):
    cases = for_loggers()
    for case in cases:
        given = case["given"]
        log = make_logger(given["component"], redact_fields=case.get("redact_fields"))
        method = getattr(log, given["level"].lower())
        method(given["message"], given.get("data"), given.get("trace_id"))
    assert log.flush(10)
    found = read(redis_url, stream_name)
    assert len(found) == len(cases)
    for record, case in zip(found, cases, strict=True):
        assert list(record.items())[2:] == expected(case)[2:], case["name"]
    numbers = [parse_record_id(record["id"]) for record in found]
    assert [who.sequence for who in numbers if who] == list(range(1, len(cases) + 1))


def test_a_producer_announces_itself_in_the_hash(make_logger, redis_url, stream_name):
    log = make_logger("my service")
    for i in range(10):
        log.info(f"m{i}")
    assert log.flush(10)
    with redis.Redis.from_url(redis_url) as client:
        (item,) = client.hgetall(f"{stream_name}:producers").items()
    assert item[0].decode() == log.stats().producer
    sent, component, _host, _pid, _version, _started, dropped = item[1].decode().split(" ")
    assert (sent, component, dropped) == ("10", "my_service", "0")


def test_the_stream_is_kept_to_its_limit(make_logger, redis_url, stream_name):
    log = make_logger(maxlen=1_000)
    for i in range(4_000):
        log.info(f"m{i}")
    assert log.flush(10)
    with redis.Redis.from_url(redis_url) as client:
        info = client.xinfo_stream(stream_name)
    assert info["entries-added"] == 4_000
    assert 1_000 <= info["length"] < 1_200


def test_four_threads_lose_nothing_and_keep_their_order(make_logger, redis_url, stream_name):
    log = make_logger()

    def work(name: str) -> None:
        for i in range(2_500):
            log.info(f"{name}-{i}", {"i": i})

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(20)
    found = messages(redis_url, stream_name)
    for name in "abcd":
        mine = [int(text[2:]) for text in found if text.startswith(f"{name}-")]
        assert mine == list(range(2_500))
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (10_000, 0)


def test_a_burst_larger_than_the_buffer_is_accounted_for(make_logger, redis_url, stream_name):
    log = make_logger(buffer_records=200)
    for i in range(20_000):
        log.info(f"m{i}")
    log.flush(20)
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert there.records + there.lost == 20_000
    assert sum(log.stats().dropped.values()) == there.lost


def test_records_too_large_for_the_buffer_are_named_as_such(make_logger, redis_url, stream_name):
    log = make_logger(buffer_records=10, buffer_bytes=65_536)
    log.info("x" * 70_000)
    log.info("fits")
    log.flush(10)
    receipts = [json.loads(r["data"]) for r in read(redis_url, stream_name) if "data" in r]
    assert [r["godot"]["reason"] for r in receipts] == ["too_large"]
    assert log.stats().dropped == {"too_large": 1}
    account(redis_url, stream_name).assert_balanced()


def test_a_program_whose_only_record_cannot_be_read_names_it(run, redis_url, stream_name):
    done = run(
        """
        import logging
        from clientlib import GodotHandler
        GodotHandler().emit(logging.makeLogRecord({"name": "shop", "levelno": None}))
        """
    )
    assert done.stderr == "godot: records of the logger shop could not be taken: TypeError\n"
    (receipt,) = read(redis_url, stream_name)
    assert json.loads(receipt["data"])["godot"]["reason"] == "unreadable"
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (0, 1)


def test_loggers_of_one_process_share_a_producer(make_logger, redis_url, stream_name):
    first, second = make_logger("one"), make_logger("two")
    first.info("a")
    second.info("b")
    first.info("c")
    assert second.flush(math.inf)
    found = read(redis_url, stream_name)
    assert [(r["component"], r["message"]) for r in found] == [
        *(("one", "a"), ("two", "b"), ("one", "c"))
    ]
    assert len(account(redis_url, stream_name).stored) == 1


def test_a_closed_logger_works_again(make_logger, redis_url, stream_name):
    log = make_logger()
    with log:
        log.info("before")
    log.info("after")
    assert log.flush(10)
    assert messages(redis_url, stream_name) == ["before", "after"]
    log.close()
    log.close()


def test_threads_replaced_after_our_import_are_not_ours(
    make_logger, redis_url, stream_name, monkeypatch
):
    """As gevent's are: a greenlet would wait for our locks, and all others for it."""
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: 1)
    log = make_logger()
    log.info("m")
    assert log.flush(10)
    assert messages(redis_url, stream_name) == ["m"]


def test_nothing_is_sent_before_anything_is_logged(make_logger, redis_url, stream_name):
    log = make_logger(level="ERROR")
    log.info("m")
    assert log.flush(0)
    assert log.stats().state == "idle"
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists(stream_name, f"{stream_name}:producers")


def test_hostile_data_arrives_with_its_neighbours(make_logger, redis_url, stream_name):
    class Raises:
        def __str__(self):
            raise RuntimeError

    cycle: dict[str, object] = {}
    cycle["self"] = cycle
    deep: list[object] = []
    for _ in range(3_000):
        deep = [deep]
    hostile = [
        cycle,
        deep,
        Raises(),
        {"\ud800": b"\xff"},
        {1: {2, 3}},
        10**5_000,
        "\0",
        float("nan"),
    ]
    log = make_logger()
    for i, data in enumerate(hostile):
        log.info(f"hostile {i}", data)
        log.info(f"neighbour {i}", {"i": i})
    assert log.flush(10)
    found = messages(redis_url, stream_name)
    assert found == [
        text for i in range(len(hostile)) for text in (f"hostile {i}", f"neighbour {i}")
    ]


def test_a_server_with_a_password_works(own_server, stream_name):
    with redis.Redis.from_url(own_server.url) as admin:
        admin.config_set("requirepass", "pässword")
    url = own_server.url.replace("unix://", "unix://:p%C3%A4ssword@")
    log = ICCMLogger("api", url, stream=stream_name)
    log.info("m")
    assert log.flush(10)
    log.close()
    assert messages(url, stream_name) == ["m"]


def test_a_user_who_may_only_append_delivers_and_the_missing_right_is_told_once(
    own_server, stream_name, capfd
):
    with redis.Redis.from_url(own_server.url) as admin:
        admin.execute_command(
            *("ACL", "SETUSER", "producer", "on", ">pw", f"%W~{stream_name}", "-@all"),
            *("+xadd", "+ping", "+hello", "+auth"),
        )
    log = ICCMLogger(
        "api", own_server.url.replace("unix://", "unix://producer:pw@"), stream=stream_name
    )
    for i in range(3):
        log.info(f"m{i}")
        assert log.flush(10)
    log.close()
    assert messages(own_server.url, stream_name) == ["m0", "m1", "m2"]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"{stream_name}:producers cannot be written" in lines[0]


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1_500])
def test_batches_of_every_size_arrive(make_logger, redis_url, stream_name, count):
    log = make_logger()
    for i in range(count):
        log.info(f"m{i}")
    assert log.flush(10)
    assert messages(redis_url, stream_name) == [f"m{i}" for i in range(count)]
