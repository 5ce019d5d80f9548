from __future__ import annotations

import json
import re
import signal
import threading
import time

import pytest

from clientlib import Producer, make_record
from dewey_logs import LogFilter
from godot import tail as tails
from godot.stream.append import Appender
from godot.stream.connection import ask, close, connect
from godot.stream.keys import stream_key

CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture
def append(settings):
    """Append messages of one component, in one go."""
    producer = Producer()

    def send(messages, component="t", level="INFO", data=None, trace_id=None):
        with Appender(settings) as appender:
            appender.append(
                [
                    make_record(component, level, message, data, trace_id, producer=producer)
                    for message in messages
                ]
            )

    return send


def messages(stdout: bytes) -> list[str]:
    return [line.split("\t")[3] for line in stdout.decode().splitlines()]


def until(process, wanted: int) -> list[str]:
    """Read the messages that a following process prints, up to a number of them."""
    return messages(b"".join(process.stdout.readline() for _ in range(wanted)))


def interrupted(process) -> tuple[int, bytes, bytes]:
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def test_the_newest_records_come_oldest_first(here, append, working, stored):
    append([f"m{i}" for i in range(30)])
    with working():
        stored(30)
    done = here("tail", "-n", "5")
    assert (done.returncode, messages(done.stdout)) == (0, ["m25", "m26", "m27", "m28", "m29"])


def test_what_is_not_stored_yet_is_shown_too(here, append, working, stored):
    append(["a", "b"])
    with working():
        stored(2)
    append(["c", "d"])
    assert messages(here("tail", "-n", "3").stdout) == ["b", "c", "d"]


def test_without_a_store_history_is_what_the_stream_holds(here, append):
    append(["a", "b", "c"])
    away = "postgresql://nobody@127.0.0.1:1/none"
    for url in ("", away):
        done = here("tail", "-n", "2", DEWEY_URL=url)
        assert (done.returncode, messages(done.stdout)) == (0, ["b", "c"])
    assert b"showing what the stream still holds" in done.stderr


def test_without_redis_history_is_what_is_stored(here, append, working, stored):
    append(["a", "b"])
    with working():
        stored(2)
    done = here("tail", GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, messages(done.stdout)) == (0, ["a", "b"])
    assert b"showing what is stored" in done.stderr
    assert here("tail", "-f", GODOT_REDIS_URL="redis://127.0.0.1:1/0").returncode == 3


def test_filters_hold_for_history_and_for_live_records_alike(start, append, working, stored):
    trace, other = (f"{n}-77b3-4da6-a3ce-929d0e0e4736" for n in ("4bf92f35", "00000000"))

    def send():
        append(["yes, Declined", "no"], "api.pay", "ERROR", {"o": {"n": 1}}, trace)
        append(["declined"], "api.pay", "INFO", {"o": {"n": 1}}, trace)
        append(["declined"], "web", "ERROR", {"o": {"n": 1}}, trace)
        append(["declined"], "api.pay", "ERROR", {"o": {"n": 2}}, trace)
        append(["declined"], "api.pay", "ERROR", {"o": {"n": 1}}, other)

    send()
    with working():
        stored(6)
    process = start(
        *("tail", "-f", "declined", "-c", "api.*", "-l", "warn", "-t", "4bf92f35"),
        *("--data", "o.n=1", "-o", "plain"),
        *("-w", "data.o.n<2 -refunded since:1h"),
    )
    assert until(process, 1) == ["yes, Declined"]
    send()
    append(["declined at last"], "api.x", "ERROR", {"o": {"n": 1}}, trace)
    assert until(process, 2) == ["yes, Declined", "declined at last"]
    assert interrupted(process)[0] == 130


def test_what_is_excluded_makes_room_for_others(start, here, append, working, stored):
    append([f"GET /health {i}" if i % 4 else f"m{i}" for i in range(40)])
    with working():
        stored(40)
    append(["GET /health", "m40"])
    assert messages(here("tail", "-n", "5", "-x", "/health").stdout) == [
        f"m{i}" for i in (24, 28, 32, 36, 40)
    ]
    process = start("tail", "-f", "-n", "1", "-x", "health", "-x", "^n", "-o", "plain")
    assert until(process, 1) == ["m40"]
    append(["GET /health", "not this", "this"])
    assert until(process, 1) == ["this"]
    assert interrupted(process)[0] == 130


def test_a_beginning_in_time_shows_all_since_then(here, append):
    append([f"m{i}" for i in range(30)])
    assert len(here("tail", "-s", "1h").stdout.splitlines()) == 30
    assert here("tail", "-s", "2100-01-01").stdout == b""
    done = here("tail", "-s", "1h", "-n", "7")
    assert messages(done.stdout)[0] == "m23"
    assert b"showing the newest 7 since then" in done.stderr
    assert json.loads(here("tail", "-s", "1h", "-n", "7", "-o", "json").stdout)["truncated"]


def test_what_was_trimmed_before_it_was_read_is_counted(append, settings, monkeypatch):
    monkeypatch.setattr(tails, "PAGE", 5)
    client = connect(settings)
    append(["before"])
    with tails.Tail(settings, None, LogFilter(limit=0)) as tail:
        append([f"m{i}" for i in range(20)])
        ask(client, "XTRIM", stream_key(settings.stream), "MAXLEN", 7)
        assert [record.message for record in tail.live(1)] == [f"m{i}" for i in range(13, 18)]
        assert tail.missed == 13
        append(["a", "b", "c"])
        assert len(tail.live(1)) == 5
        assert tail.missed == 13
    close(client)


def test_more_than_can_be_read_is_counted_not_shown(start, append):
    append(["ready"])
    process = start("tail", "-f", "-n", "1", "--rate-limit", "1/h", "-o", "plain")
    assert until(process, 1) == ["ready"]
    append([f"m{i}" for i in range(100)], level="ERROR")
    assert until(process, 1) == ["m0"]
    hidden = 0
    while hidden < 99:
        told = re.match(rb"(\d+) records not shown, among them \1 ERROR", process.stderr.readline())
        assert told is not None
        hidden += int(told[1])
    code, rest, _ = interrupted(process)
    assert (code, hidden, rest) == (130, 99, b"")


def test_what_cannot_follow_is_refused(here):
    for term in ("regex:/(a+)+$/", "cursor:abc", "service:web"):
        done = here("tail", "-w", term)
        assert (done.returncode, done.stdout) == (2, b""), term
        assert b"Traceback" not in done.stderr


def test_nothing_is_missing_or_doubled_between_history_and_live(start, append, working, stored):
    total = 3_000
    with working():
        sender = threading.Thread(
            target=lambda: [append([f"m{i + j}" for j in range(10)]) for i in range(0, total, 10)]
        )
        sender.start()
        time.sleep(0.2)  # not to be right: only so that history is more than nothing
        process = start("tail", "-f", "-n", "1000", "-o", "plain")
        seen = until(process, 1)
        first = int(seen[0][1:])
        seen += until(process, total - first - 1)
        sender.join()
        code, rest, _ = interrupted(process)
    assert code == 130
    assert sorted(seen, key=lambda m: int(m[1:])) == [f"m{i}" for i in range(first, total)]
    assert messages(rest) == []


def test_a_retried_record_is_shown_once(start, append, settings):
    record = make_record("t", "INFO", "once", producer=Producer())
    process = start("tail", "-f", "-o", "jsonl")
    append(["started"])
    assert json.loads(process.stdout.readline())["message"] == "started"
    with Appender(settings) as appender:
        appender.append([record, record])
        appender.append([record])
    append(["end"])
    seen = [json.loads(process.stdout.readline())["message"] for _ in range(2)]
    assert seen == ["once", "end"]


def test_an_entry_that_is_no_record_is_counted_on_stderr(here, append, settings):
    with Appender(settings) as appender:
        appender.append_fields([[(b"message", b"no component")]])
    append(["good"])
    done = here("tail")
    assert messages(done.stdout) == ["good"]
    assert b"not shown, since no records: 1 entry\n" in done.stderr


def test_hostile_text_reaches_no_terminal_and_forges_no_line(here, append):
    append(
        ["\x1b[31mred\x07\r\x9b1;31m\u202e one\nforged\tINFO\tx\u2028y"], component="c\x1b]0;t\x07"
    )
    for form in ("plain", "text", "jsonl", "json"):
        stdout = here("tail", "-o", form, FORCE_COLOR="").stdout
        assert not CONTROL.search(stdout.replace(b"\n", b"")), form
        assert "\u202e".encode() not in stdout
    assert here("tail", "-o", "plain").stdout.count(b"\n") == 1
    assert b"\n    \xe2\x94\x82 forged" in here("tail", "-o", "text").stdout


def test_colour_is_for_those_who_ask(here, append):
    append(["m"], level="ERROR")
    assert b"\x1b[31m" in here("tail", "-o", "text", "--color", "always").stdout
    assert b"\x1b" not in here("tail", "-o", "text", NO_COLOR="1").stdout
    assert b"\x1b" not in here("tail", "-o", "text").stdout


def test_following_into_a_document_without_end_is_refused(here):
    done = here("tail", "-f", "-o", "json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"jsonl" in done.stderr
